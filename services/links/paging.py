"""The orders of a list, and the place in one where a page ends: a key and an id, so that links saved or
deleted meanwhile neither repeat nor hide another."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple

import msgspec

from services.links.domain import Id

OrderName = Literal["newest", "oldest", "updated", "title"]


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last link of a page; `time` for the orders by time, `title` for the order by title."""

    order: OrderName
    id: Id
    time: dt.datetime | None
    title: str | None


class Order(NamedTuple):
    """An order of links: a column that never is NULL, then the id."""

    column: str
    direction: Literal["ASC", "DESC"]

    @property
    def selected(self) -> str:
        """What must be selected besides a link's own fields to know its place."""
        return ", title_key" if self.column == "title_key" else ""

    @property
    def sql(self) -> str:
        return f"ORDER BY {self.column} {self.direction}, id {self.direction}"

    def after(self, position: Position, arguments: list[object]) -> str:
        """The condition for links behind `position`; what is compared with is added to `arguments`."""
        arguments += [position.title if self.column == "title_key" else position.time, position.id]
        beyond = "<" if self.direction == "DESC" else ">"
        return f"({self.column}, id) {beyond} (${len(arguments) - 1}, ${len(arguments)})"


ORDERS: dict[OrderName, Order] = {
    "newest": Order("created_at", "DESC"),
    "oldest": Order("created_at", "ASC"),
    "updated": Order("updated_at", "DESC"),
    "title": Order("title_key", "ASC"),
}


def position_of(order: OrderName, key: dt.datetime | str, link_id: int) -> Position:
    """The place of a link in an order."""
    if isinstance(key, str):
        return Position(order, link_id, None, key)
    return Position(order, link_id, key, None)


def is_place_in(order: OrderName, position: Position) -> bool:
    """Whether a position, which a client may have made up, can stand in this order."""
    if position.order != order:
        return False
    if ORDERS[order].column == "title_key":
        return position.time is None and position.title is not None and "\0" not in position.title
    return position.title is None and position.time is not None and position.time.tzinfo is not None
