"""Accounts that are gone: what was theirs here goes with them, and nothing of theirs comes again.

An access token is good for minutes after its account's end, so whoever adds something of a user's own does it
`beside_departure`, and not for who is noted here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.db import Database

# Whoever adds for a user waits for the others, and sees what they did.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('web user'), ($1::bigint % 2147483647)::int)"
NOTE = "INSERT INTO departed (user_id) VALUES ($1) ON CONFLICT DO NOTHING"
TABLES = ("web_sessions", "feed_tokens", "linkding_bundles")
DELETE = tuple(f"DELETE FROM {table} WHERE user_id = $1" for table in TABLES)  # noqa: S608 - constants
# Longer than an access token lives, and than the event may still come from the dead letters.
KEPT = "60 days"
FORGET_ROWS = 20
FORGET = """
    DELETE FROM departed WHERE user_id IN (
        SELECT user_id FROM departed WHERE departed_at < now() - $1::text::interval
        ORDER BY departed_at LIMIT $2 FOR UPDATE SKIP LOCKED)"""
# The condition of an INSERT ... SELECT.
IS_HERE = "NOT EXISTS (SELECT FROM departed WHERE user_id = {user})"


@asynccontextmanager
async def beside_departure(database: Database, user_id: int) -> AsyncIterator[None]:
    """A transaction before or after the end of an account, never in the middle of it."""
    async with database.transaction() as connection:
        await connection.execute(LOCK, user_id)
        yield


class Departures:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def depart(self, user_id: int) -> None:
        """Delete all that is a user's own; done twice is done once."""
        async with beside_departure(self._database, user_id):
            await self._database.execute(NOTE, user_id)
            for sql in DELETE:
                await self._database.execute(sql, user_id)
            await self._database.execute(FORGET, KEPT, FORGET_ROWS)
