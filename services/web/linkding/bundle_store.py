"""All SQL about bundles."""

from __future__ import annotations

from typing import Any

from services.kit.db import Database, Record
from services.kit.errors import NotFound, Unauthenticated
from services.web.departures import IS_HERE, beside_departure
from services.web.linkding.bundle import MAX_BUNDLES, Bundle
from services.web.linkding.fields import InvalidFields

COLUMNS = (
    'id, name, search, any_tags, all_tags, excluded_tags, filter_unread, filter_shared, "order", '
    "date_created, date_modified"
)
WRITTEN = (
    "name",
    "search",
    "any_tags",
    "all_tags",
    "excluded_tags",
    "filter_unread",
    "filter_shared",
    "order",
)
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(WRITTEN, ""),
    "filter_unread": "off",
    "filter_shared": "off",
    "order": None,
}

COUNT = "SELECT count(*) FROM linkding_bundles WHERE user_id = $1"
ADD = f"""
    INSERT INTO linkding_bundles (user_id, name, search, any_tags, all_tags, excluded_tags, filter_unread,
                                  filter_shared, "order")
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, coalesce($9::int,
        (SELECT least(2147483647, coalesce(max("order") + 1, 0)) FROM linkding_bundles WHERE user_id = $1))
    WHERE {IS_HERE.format(user="$1")}
    RETURNING {COLUMNS}"""  # noqa: S608 - constants
EDIT = f"""
    UPDATE linkding_bundles AS b SET
        name = coalesce($3, b.name), search = coalesce($4, b.search), any_tags = coalesce($5, b.any_tags),
        all_tags = coalesce($6, b.all_tags), excluded_tags = coalesce($7, b.excluded_tags),
        filter_unread = coalesce($8, b.filter_unread), filter_shared = coalesce($9, b.filter_shared),
        "order" = coalesce($10::int, b."order"), date_modified = now()
    WHERE user_id = $1 AND id = $2 RETURNING {COLUMNS}"""  # noqa: S608 - constants
GET = f"SELECT {COLUMNS} FROM linkding_bundles WHERE user_id = $1 AND id = $2"  # noqa: S608 - constants
LIST = f"""
    SELECT {COLUMNS} FROM linkding_bundles WHERE user_id = $1 ORDER BY "order", id LIMIT $2 OFFSET $3"""  # noqa: S608
DELETE = "DELETE FROM linkding_bundles WHERE user_id = $1 AND id = $2"


class BundleStore:
    """The bundles of all owners; every method names the one it is about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user_id: int, sent: dict[str, Any]) -> Bundle:
        """Raises InvalidFields when the owner has as many as one may have, Unauthenticated when gone."""
        values = DEFAULTS | sent
        # Whoever adds waits for the others of the same owner: numbers and the count are right.
        async with beside_departure(self._database, user_id):
            if await self._database.fetchval(COUNT, user_id) >= MAX_BUNDLES:
                raise InvalidFields(name=f"There are {MAX_BUNDLES} bundles already.")
            row = await self._database.fetchrow(ADD, user_id, *(values[name] for name in WRITTEN))
            if row is None:
                raise Unauthenticated("the account was deleted")
            return _bundle(row)

    async def edit(self, user_id: int, bundle_id: int, sent: dict[str, Any]) -> Bundle:
        values = (sent.get(name) for name in WRITTEN)
        return _bundle(await self._database.fetchrow(EDIT, user_id, bundle_id, *values))

    async def get(self, user_id: int, bundle_id: int) -> Bundle:
        return _bundle(await self._database.fetchrow(GET, user_id, bundle_id))

    async def page(self, user_id: int, limit: int, offset: int) -> tuple[int, list[Bundle]]:
        """How many there are, and a part of them by their order."""
        count = await self._database.fetchval(COUNT, user_id)
        rows = await self._database.fetch(LIST, user_id, limit, offset)
        return count, [Bundle(**row) for row in rows]

    async def delete(self, user_id: int, bundle_id: int) -> None:
        if await self._database.execute(DELETE, user_id, bundle_id) != "DELETE 1":
            raise NotFound


def _bundle(row: Record | None) -> Bundle:
    if row is None:
        raise NotFound
    return Bundle(**row)
