"""The people of the graph in PostgreSQL: who is known, and how somebody who is gone is taken out."""

from __future__ import annotations

from typing import NamedTuple

from services.kit.db import Database
from services.kit.errors import Unavailable
from services.kit.serving import idempotency
from services.social_graph.store import LOCK_PEOPLE
from telemetry.traces import current_traceparent

# So many edges are removed at once: others wait for the rows of that many people for some ten milliseconds.
BATCH = 500
# Longer than an access token lives and than an event of the account may still come from the dead letters.
MARK_KEPT = "60 days"
FORGET_ROWS = 20

FIND = "SELECT user_id, username FROM people WHERE username = $1 OR user_id = $2"

# A name belongs to one account at a time, and ids only grow: who had it before is gone, though that news may
# still be on its way.
TAKE_NAME = "UPDATE people SET username = NULL WHERE username = $2 AND user_id < $1"
ADD = """
    INSERT INTO people (user_id, username)
    SELECT $1, CASE WHEN NOT EXISTS (SELECT FROM people WHERE username = $2) THEN $2 END
    ON CONFLICT DO NOTHING"""
NAME = "SELECT username FROM people WHERE user_id = $1"

DEPART = """
    INSERT INTO people (user_id) VALUES ($1) ON CONFLICT (user_id) DO UPDATE SET username = NULL"""
SOME_FOLLOWS = """
    SELECT follower_id, followee_id FROM follows WHERE follower_id = $1
    UNION ALL
    SELECT follower_id, followee_id FROM follows WHERE followee_id = $1
    LIMIT $2"""
SOME_BLOCKS = """
    SELECT blocker_id, blocked_id FROM blocks WHERE blocker_id = $1
    UNION ALL
    SELECT blocker_id, blocked_id FROM blocks WHERE blocked_id = $1
    LIMIT $2"""
REMOVE_FOLLOWS = """
    DELETE FROM follows AS f USING unnest($1::bigint[], $2::bigint[]) AS gone (follower_id, followee_id)
    WHERE f.follower_id = gone.follower_id AND f.followee_id = gone.followee_id"""
REMOVE_BLOCKS = """
    DELETE FROM blocks AS b USING unnest($1::bigint[], $2::bigint[]) AS gone (blocker_id, blocked_id)
    WHERE b.blocker_id = gone.blocker_id AND b.blocked_id = gone.blocked_id"""
MARK = "UPDATE people SET departed_at = coalesce(departed_at, now()) WHERE user_id = $1"
FORGET_MARKS = """
    DELETE FROM people WHERE user_id IN (
        SELECT user_id FROM people WHERE departed_at < now() - $1::text::interval
        ORDER BY departed_at LIMIT $2 FOR UPDATE SKIP LOCKED)"""


class Found(NamedTuple):
    """The id of somebody by name, if they are known, and whether the caller is."""

    user_id: int | None
    caller_is_known: bool


class PeopleStore:
    """Who is in the graph. Everything here may be done twice, and in any order, with the same result."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, username: str, caller_id: int) -> Found:
        rows = await self._database.fetch(FIND, username, caller_id)
        named: int | None = next((row["user_id"] for row in rows if row["username"] == username), None)
        return Found(named, any(row["user_id"] == caller_id for row in rows))

    async def introduce(self, user_id: int, username: str) -> bool:
        """Make an account known; False when it is known to be gone."""
        async with self._database.transaction() as connection:
            await connection.execute(TAKE_NAME, user_id, username)
            await connection.execute(ADD, user_id, username)
            person = await connection.fetchrow(NAME, user_id)
        if person is None:
            raise Unavailable("two of one name came at once")
        return person["username"] is not None

    async def remove(self, user_id: int) -> None:
        """Take an account out with all its edges, each of which is an event; nothing revives it.

        Nobody can find the account from the first statement on. The edges go in batches, each of them a
        transaction, so that it may be stopped and done again: it goes on where it was.
        """
        await self._database.execute(DEPART, user_id)
        while await self._remove_some(user_id, SOME_FOLLOWS, REMOVE_FOLLOWS):
            pass
        while await self._remove_some(user_id, SOME_BLOCKS, REMOVE_BLOCKS):
            pass
        async with self._database.transaction() as connection:
            await idempotency.forget(connection, user_id)
            await connection.execute(MARK, user_id)
            await connection.execute(FORGET_MARKS, MARK_KEPT, FORGET_ROWS)

    async def _remove_some(self, user_id: int, some: str, remove: str) -> bool:
        """Remove a bounded number of edges; whether there were any."""
        async with self._database.transaction() as connection:
            edges = await connection.fetch(some, user_id, BATCH)
            if not edges:
                return False
            ones, others = [edge[0] for edge in edges], [edge[1] for edge in edges]
            await connection.fetch(LOCK_PEOPLE, [*ones, *others], current_traceparent())
            await connection.execute(remove, ones, others)
            return True
