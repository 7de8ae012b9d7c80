"""Numbered lists in PostgreSQL."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from itertools import starmap

import asyncpg

from services.kit.db import Database, Record
from services.links.domain import Link
from services.links.listing import Day, Listed, Listing
from services.links.queries import ListingOrder
from services.links.search import sql
from services.links.search.store import BOUND, STATEMENT_TIMEOUT_MS, SearchTooSlow
from services.links.search.tree import Node
from services.links.selection import Selection, condition
from services.links.sizes import MAX_CHARACTERS, PREFETCH, characters
from services.links.store import COLUMNS, PUBLIC_COLUMNS, WIDTH

# The argument that is the owner, where everybody is meant.
_OWNER = re.compile(r"\$1(?!\d)")
# Tags that others may see, as in PUBLIC_COLUMNS.
_OPEN = "NOT starts_with(t.tag, '.')"

SECOND = "date_trunc('second', created_at AT TIME ZONE 'UTC')"
ORDERS: dict[ListingOrder, str] = {
    "newest": "created_at DESC, id DESC",
    "oldest": "created_at ASC, id ASC",
    "updated": "updated_at DESC, id DESC",
    "least-updated": "updated_at ASC, id ASC",
    "title": "title_key ASC, id ASC",
    "title-descending": "title_key DESC, id DESC",
    "posted": f'{SECOND} DESC, url COLLATE "C" ASC',
}

COUNT = "SELECT count(*) FROM links WHERE {where}"
# Of everybody's links no more are counted than somebody would page through.
MAX_COUNTED = 10_000
COUNT_SOME = f"SELECT count(*) FROM (SELECT FROM links WHERE {{where}} LIMIT {MAX_COUNTED}) AS counted"  # noqa: S608 - constants
# The names are looked up for the links of the page only, not for those before it.
PAGE = """
    SELECT {columns}, ARRAY(
        SELECT coalesce(n.name, t.tag) FROM unnest(l.tags) WITH ORDINALITY AS t(tag, place)
        LEFT JOIN tag_names AS n ON n.owner_id = l.owner_id AND n.tag = t.tag
        WHERE {shown} ORDER BY t.place) AS tag_names
    FROM (SELECT * FROM links WHERE {where} ORDER BY {order} LIMIT {limit} OFFSET {offset}) AS l
    ORDER BY {order}"""
DAYS = """
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) FROM links WHERE {where}
    GROUP BY day ORDER BY day DESC"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A part of a list; `first` is the normalised address of the link that comes first."""

    selection: Selection
    node: Node | None
    first: str | None
    order: ListingOrder
    after: tuple[dt.datetime, str] | None
    limit: int
    offset: int
    counted: bool


class ListingStore:
    """Lists the links of one owner at a time."""

    def __init__(self, database: Database, *, timeout_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        self._database = database
        self._timeout_ms = timeout_ms

    async def listing(self, owner_id: int, asked: Asked, now: dt.datetime) -> Listing:
        """The links asked for, at most as many as an answer holds; raises SearchTooSlow."""
        arguments, where = _where(owner_id, asked, now)
        return await self._read(arguments, where, asked, columns=COLUMNS, shown="true", count=COUNT)

    async def public(self, owner_id: int | None, asked: Asked, now: dt.datetime) -> Listing:
        """The same as others see it, of one owner or of everybody; `asked` must select public links only."""
        arguments, where = _where(owner_id or 0, asked, now)
        if owner_id is None:
            where = f"$1::bigint = 0 AND {_OWNER.sub('owner_id', where)}"
        return await self._read(
            arguments, where, asked, columns=PUBLIC_COLUMNS, shown=_OPEN, count=COUNT_SOME
        )

    async def _read(
        self, arguments: list[object], where: str, asked: Asked, *, columns: str, shown: str, count: str
    ) -> Listing:
        order = ORDERS[asked.order]
        try:
            async with self._database.transaction(isolation="repeatable_read", readonly=True) as connection:
                if asked.node is not None or count is COUNT_SOME:
                    await connection.execute(BOUND, str(self._timeout_ms))
                counted = 0
                if asked.counted:
                    counted = await connection.fetchval(count.format(where=where), *arguments)
                if asked.after is not None:
                    where += _behind(asked.after, arguments)
                if asked.first is not None:
                    arguments.append(asked.first)
                    order = f"(url_hash = url_digest(${len(arguments)})) DESC, {order}"
                statement = PAGE.format(
                    columns=columns,
                    shown=shown,
                    where=where,
                    order=order,
                    limit=asked.limit,
                    offset=asked.offset,
                )
                items: list[Listed] = []
                size = 0
                async for row in connection.cursor(statement, *arguments, prefetch=PREFETCH):
                    items.append(listed := _listed(row))
                    size += characters(listed.link)
                    if size > MAX_CHARACTERS:
                        break
        except asyncpg.QueryCanceledError as error:
            raise SearchTooSlow(
                f"given up after {self._timeout_ms / 1000:g} s; add a word, a tag or a date to narrow it"
            ) from error
        return Listing(counted, items)

    async def days(self, owner_id: int, selection: Selection) -> list[Day]:
        """The days on which links were saved, the newest first."""
        arguments: list[object] = [owner_id]
        where = condition(selection, arguments)
        rows = await self._database.fetch(DAYS.format(where=where), *arguments)
        return list(starmap(Day, rows))


def _where(owner_id: int, asked: Asked, now: dt.datetime) -> tuple[list[object], str]:
    """The condition that decides what is in the list, whatever part of it is asked for."""
    arguments: list[object] = [owner_id]
    where = condition(asked.selection, arguments)
    if asked.node is not None:
        found = sql.matching(asked.node, arguments, now)
        if asked.first is not None:
            arguments.append(asked.first)
            found = f"({found} OR url_hash = url_digest(${len(arguments)}))"
        where += f" AND {found}"
    return arguments, where


def _behind(after: tuple[dt.datetime, str], arguments: list[object]) -> str:
    time, url = after
    arguments += [time.replace(tzinfo=None, microsecond=0), url]
    second, address = f"${len(arguments) - 1}::timestamp", f"${len(arguments)}::text"
    return f' AND {SECOND} <= {second} AND ({SECOND} < {second} OR url COLLATE "C" > {address})'


def _listed(row: Record) -> Listed:
    return Listed(Link(*row[:WIDTH]), row["tag_names"])
