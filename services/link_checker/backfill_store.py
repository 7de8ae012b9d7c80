"""How far the links service has told of its older links, and which of them are known here already."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from services.kit.db import Database
from services.link_checker.domain import KnownLink, Place, Progress

PROGRESS = "SELECT owner_id, link_id, done_at IS NOT NULL AS done FROM backfill"
ADVANCE = """
    UPDATE backfill SET owner_id = $3, link_id = $4, done_at = $5
    WHERE (owner_id, link_id) = ($1, $2) AND done_at IS NULL"""
RESTART = "UPDATE backfill SET owner_id = 0, link_id = 0, done_at = NULL"
UNKNOWN = """
    SELECT told.n FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
        WITH ORDINALITY AS told (owner_id, link_id, version, n)
    WHERE NOT EXISTS (
        SELECT FROM refs WHERE refs.owner_id = told.owner_id AND refs.link_id = told.link_id
            AND refs.version >= told.version)"""


class BackfillStore:
    """One row for all replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self) -> Progress:
        row = await self._database.fetchrow(PROGRESS)
        assert row is not None  # noqa: S101 - the migration made it
        return Progress(after=Place(row["owner_id"], row["link_id"]), done=row["done"])

    async def advance(self, before: Place, now: Place, done_at: dt.datetime | None) -> None:
        """Note the new place, unless somebody has moved it meanwhile."""
        await self._database.execute(
            ADVANCE, before.owner_id, before.link_id, now.owner_id, now.link_id, done_at
        )

    async def restart(self) -> None:
        await self._database.execute(RESTART)

    async def unknown(self, links: Sequence[KnownLink]) -> list[KnownLink]:
        """Those of which nothing as new is known."""
        columns = zip(*((link.owner_id, link.id, link.version) for link in links), strict=True)
        rows = await self._database.fetch(UNKNOWN, *columns) if links else []
        return [links[row["n"] - 1] for row in rows]
