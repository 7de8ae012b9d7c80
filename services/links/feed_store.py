"""Links of many owners at once, as other services read them."""

from __future__ import annotations

from collections.abc import Sequence

from services.kit.db import Database, Record
from services.links import sizes
from services.links.domain import Link, Moment
from services.links.events import LinkSaved
from services.links.store import PUBLIC_COLUMNS

# As in publish_saved_links() of 0004_events.sql.
SAVED_COLUMNS = ", ".join(
    "left(note, 1000)" if name == "note" else name for name in LinkSaved.__struct_fields__
)

EVERYTHING = f"""
    SELECT {SAVED_COLUMNS} FROM links
    WHERE (owner_id, id) > ($2, $3) AND ($1::bigint IS NULL OR owner_id = $1)
    ORDER BY owner_id, id LIMIT $4"""  # noqa: S608 - constants

ONE = f"SELECT {SAVED_COLUMNS} FROM links WHERE owner_id = $1 AND id = $2"  # noqa: S608 - constants

PUBLIC = "SELECT {columns} FROM links WHERE {where} ORDER BY created_at DESC, id DESC LIMIT {limit}"


class FeedStore:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def everything(
        self, owner_id: int | None, after: tuple[int, int], limit: int
    ) -> tuple[list[LinkSaved], bool]:
        """Links behind `after` (owner, id), private ones too, and whether there are more."""
        arguments = (owner_id, *after, limit + 1)
        _, links, more = await sizes.read(self._database, EVERYTHING, arguments, limit, _saved)
        return links, more

    async def one(self, owner_id: int, link_id: int) -> LinkSaved | None:
        row = await self._database.fetchrow(ONE, owner_id, link_id)
        return None if row is None else _saved(row)

    async def public(
        self, owner_id: int | None, tags: Sequence[str], after: Moment | None, limit: int
    ) -> tuple[list[Link], bool]:
        """Public links with all of `tags`, newest first, behind `after`, and whether there are more."""
        if any(tag.startswith(".") for tag in tags):
            return [], False  # such a tag is its owner's alone
        arguments: list[object] = []
        parts = ["NOT private"]

        def compare(sql: str, *values: object) -> None:
            places = [f"${len(arguments) + number}" for number in range(1, len(values) + 1)]
            arguments.extend(values)
            parts.append(sql.format(*places))

        if owner_id is not None:
            compare("owner_id = {}", owner_id)
        if tags and owner_id is not None:
            compare("owned_tags(owner_id, tags) @> owned_tags($1, {}::text[])", tags)
        elif tags:
            compare("tags @> {}::text[]", tags)
        if after is not None:
            compare("(created_at, id) < ({}, {})", after.created_at, after.id)
        arguments.append(limit + 1)
        sql = PUBLIC.format(columns=PUBLIC_COLUMNS, where=" AND ".join(parts), limit=f"${len(arguments)}")
        _, links, more = await sizes.read(self._database, sql, arguments, limit, _public)
        return links, more


def _saved(row: Record) -> LinkSaved:
    return LinkSaved(*row)


def _public(row: Record) -> Link:
    return Link(*row)
