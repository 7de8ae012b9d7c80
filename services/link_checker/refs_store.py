"""Whose links have which address: what the events of links and users change."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256

from services.kit.db import Connection, Database
from services.link_checker.domain import KnownLink
from services.link_checker.store import TELL
from services.links.client import LinkRemoved, LinkSaved
from telemetry.traces import current_traceparent

SET_TRACE = "SELECT set_config('delinkcious.traceparent', $1, true)"
IS_GONE = "SELECT 1 FROM owners WHERE owner_id = $1 AND gone_at IS NOT NULL"
BURY = """
    INSERT INTO owners AS o (owner_id, gone_at) VALUES ($1, $2)
    ON CONFLICT (owner_id) DO UPDATE SET gone_at = coalesce(o.gone_at, EXCLUDED.gone_at)"""
# Between the first checks of one owner's new addresses: of so many that all are saved at once.
PACE = dt.timedelta(seconds=0.25)
TAKE_PLACE = """
    INSERT INTO owners AS o (owner_id, next_at) VALUES ($1, $2::timestamptz + $3::interval)
    ON CONFLICT (owner_id) DO UPDATE SET next_at = greatest(o.next_at, $2) + $3
    RETURNING next_at - $3::interval"""

FIND_REF = "SELECT url_id, version FROM refs WHERE owner_id = $1 AND link_id = $2"
FIND_URL = "SELECT id FROM urls WHERE url_hash = $1 FOR UPDATE"
ADD_HOST = """
    INSERT INTO hosts AS h (host, due_at) VALUES ($1, $2)
    ON CONFLICT (host) DO UPDATE SET due_at = least(h.due_at, EXCLUDED.due_at)"""
ADD_URL = """
    INSERT INTO urls (url, url_hash, host, next_check_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (url_hash) DO UPDATE SET url = EXCLUDED.url RETURNING id"""
SAVE_REF = """
    INSERT INTO refs AS r (owner_id, link_id, url_id, version) VALUES ($1, $2, $3, $4)
    ON CONFLICT (owner_id, link_id) DO UPDATE SET
        url_id = EXCLUDED.url_id, version = EXCLUDED.version, removed_at = NULL,
        titled = r.titled AND r.url_id IS NOT DISTINCT FROM EXCLUDED.url_id
    WHERE r.version < EXCLUDED.version"""
REMOVE_REF = """
    INSERT INTO refs AS r (owner_id, link_id, version, removed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (owner_id, link_id) DO UPDATE SET url_id = NULL, version = EXCLUDED.version, removed_at = $4
    WHERE r.version < EXCLUDED.version"""
SOME_OF_OWNER = "SELECT link_id, url_id FROM refs WHERE owner_id = $1 LIMIT $2"
DELETE_REFS = "DELETE FROM refs WHERE owner_id = $1 AND link_id = ANY($2::bigint[])"
BATCH = 1_000
IS_KNOWN = """
    SELECT checked_at IS NOT NULL AND (health <> 'unknown' OR reason <> '' OR title IS NOT NULL)
    FROM urls WHERE id = $1"""
# Locked before the links that have them are touched, as a check does, and in a step of its own: the statement
# after it sees what others wrote before they let go of the lock.
LOCK_URLS = "SELECT id FROM urls WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"
DROP_ORPHANS = """
    DELETE FROM urls WHERE id = ANY($1::bigint[]) AND NOT EXISTS (SELECT FROM refs WHERE url_id = urls.id)"""


class RefsStore:
    """Every method may run twice with the same arguments."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def save(self, link: LinkSaved | KnownLink, host: str, now: dt.datetime) -> None:
        """Follow a link: its address is due soon when it is new, and told at once when it is not."""
        owner, link_id = link.owner_id, link.id
        async with self.database.transaction() as connection:
            if await connection.fetchval(IS_GONE, owner):
                return
            before = await connection.fetchrow(FIND_REF, owner, link_id)
            if before is not None and before["version"] >= link.version:
                return
            url_id = await self._url(connection, owner, link.url, host, now)
            old = [] if before is None or before["url_id"] in (None, url_id) else [before["url_id"]]
            await connection.execute(LOCK_URLS, old)
            await connection.execute(SAVE_REF, owner, link_id, url_id, link.version)
            await connection.execute(DROP_ORPHANS, old)
            if before is not None and before["url_id"] == url_id:
                return
            await connection.execute(SET_TRACE, current_traceparent())
            if await connection.fetchval(IS_KNOWN, url_id):
                await connection.execute(TELL, url_id, True, owner, link_id)

    async def remove(self, link: LinkRemoved, now: dt.datetime) -> None:
        """Follow a link no more; an address that nobody has any more is forgotten."""
        async with self.database.transaction() as connection:
            if await connection.fetchval(IS_GONE, link.owner_id):
                return
            before = await connection.fetchrow(FIND_REF, link.owner_id, link.id)
            old = [] if before is None or before["url_id"] is None else [before["url_id"]]
            await connection.execute(LOCK_URLS, old)
            await connection.execute(REMOVE_REF, link.owner_id, link.id, link.version, now)
            await connection.execute(DROP_ORPHANS, old)

    async def remove_owner(self, owner_id: int, now: dt.datetime) -> None:
        """Forget everything of an account that is gone, in steps, and whatever comes of it later."""
        await self.database.execute(BURY, owner_id, now)
        while await self._remove_some(owner_id):
            pass

    async def _remove_some(self, owner_id: int) -> bool:
        async with self.database.transaction() as connection:
            rows = await connection.fetch(SOME_OF_OWNER, owner_id, BATCH)
            urls = sorted({row["url_id"] for row in rows if row["url_id"] is not None})
            await connection.execute(LOCK_URLS, urls)
            await connection.execute(DELETE_REFS, owner_id, [row["link_id"] for row in rows])
            await connection.execute(DROP_ORPHANS, urls)
        return len(rows) == BATCH

    async def _url(self, connection: Connection, owner: int, url: str, host: str, now: dt.datetime) -> int:
        digest = sha256(url.encode()).digest()
        found: int | None = await connection.fetchval(FIND_URL, digest)
        if found is None:
            due_at = await connection.fetchval(TAKE_PLACE, owner, now, PACE)
            await connection.execute(ADD_HOST, host, due_at)
            found = await connection.fetchval(ADD_URL, url, digest, host, due_at)
            assert found is not None  # noqa: S101 - RETURNING
        return found
