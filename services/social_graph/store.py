"""Edges in PostgreSQL: made and ended one at a time; triggers count them and write their events.

Every change locks the rows of the two people first: see 0001_graph.sql. What it then looks at is what it
changes, since each statement sees what was there when the lock was given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.kit.db import Connection, Database, Record
from services.kit.errors import NotFound, TooManyRequests, Unauthenticated
from services.kit.events.outbox import SET_TRACE
from services.social_graph.domain import Limits, Person
from services.social_graph.problems import FollowRefused, QuotaExceeded
from telemetry.traces import current_traceparent

# It also says which trace the events of the transaction continue.
LOCK_PEOPLE = f"""
    SELECT user_id, username, following, blocking,
           extract(epoch FROM greatest(settled_at, now()) - now())::float8 AS owed_s,
           {SET_TRACE.format(parameter="$2")}
    FROM people WHERE user_id = ANY($1::bigint[]) ORDER BY user_id FOR NO KEY UPDATE"""  # noqa: S608 - constants

BETWEEN = """
    SELECT EXISTS (SELECT FROM follows WHERE follower_id = $1 AND followee_id = $2) AS follows,
           EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = $2) AS blocks,
           EXISTS (SELECT FROM blocks WHERE blocker_id = $2 AND blocked_id = $1) AS is_blocked"""
PAY = """
    UPDATE people SET settled_at = greatest(settled_at, now()) + make_interval(secs => $2)
    WHERE user_id = $1"""

FOLLOW = "INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2)"
UNFOLLOW = "DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2"
PART = """
    DELETE FROM follows
    WHERE (follower_id = $1 AND followee_id = $2) OR (follower_id = $2 AND followee_id = $1)"""
BLOCK = "INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2)"
UNBLOCK = "DELETE FROM blocks WHERE blocker_id = $1 AND blocked_id = $2"

PERSON = """
    SELECT user_id, username, followers, following,
           EXISTS (SELECT FROM follows WHERE follower_id = $1 AND followee_id = $2) AS you_follow,
           EXISTS (SELECT FROM follows WHERE follower_id = $2 AND followee_id = $1) AS follows_you,
           EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = $2) AS blocked
    FROM people WHERE user_id = $2 AND username IS NOT NULL"""


@dataclass(frozen=True)
class Change:
    """A transaction in which nobody else changes what is between two people, the first of whom acts."""

    connection: Connection
    ids: tuple[int, int]
    actor: Record
    between: Record
    limits: Limits

    async def make(self, *statements: str) -> None:
        """Do what changes edges; raises TooManyRequests when the actor has changed too many."""
        wait_s = self.limits.wait_s(self.actor["owed_s"])
        if wait_s > 0:
            raise TooManyRequests("too many changes in a short time", retry_after_s=wait_s)
        await self.connection.execute(PAY, self.ids[0], self.limits.change_every_s)
        for statement in statements:
            await self.connection.execute(statement, *self.ids)


class GraphStore:
    """The edges between people; whoever is named first is the one who acts.

    Done twice is done once. Raises NotFound when the other is gone, Unauthenticated when the actor is, and
    TooManyRequests when the actor has made too many changes.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self.limits = limits

    async def follow(self, follower_id: int, followee_id: int) -> None:
        """Raises FollowRefused when either blocks the other, QuotaExceeded."""
        async with self._change(follower_id, followee_id) as change:
            if change.between["follows"]:
                return
            if change.between["blocks"] or change.between["is_blocked"]:
                raise FollowRefused
            if change.actor["following"] >= (most := self.limits.following):
                raise QuotaExceeded(f"one may follow {most} people", limit=most)
            await change.make(FOLLOW)

    async def unfollow(self, follower_id: int, followee_id: int) -> None:
        async with self._change(follower_id, followee_id) as change:
            if change.between["follows"]:
                await change.make(UNFOLLOW)

    async def block(self, blocker_id: int, blocked_id: int) -> None:
        """Block, and end what either follows of the other. Raises QuotaExceeded."""
        async with self._change(blocker_id, blocked_id) as change:
            if change.between["blocks"]:
                return
            if change.actor["blocking"] >= (most := self.limits.blocks):
                raise QuotaExceeded(f"one may block {most} people", limit=most)
            await change.make(PART, BLOCK)

    async def unblock(self, blocker_id: int, blocked_id: int) -> None:
        async with self._change(blocker_id, blocked_id) as change:
            if change.between["blocks"]:
                await change.make(UNBLOCK)

    async def person(self, viewer_id: int, user_id: int) -> Person:
        """Somebody as the viewer may see them."""
        row = await self._database.fetchrow(PERSON, viewer_id, user_id)
        if row is None:
            raise NotFound(f"person {user_id}")
        return Person(*row)

    @asynccontextmanager
    async def _change(self, actor_id: int, other_id: int) -> AsyncIterator[Change]:
        async with self._database.transaction() as connection:
            rows = await connection.fetch(LOCK_PEOPLE, [actor_id, other_id], current_traceparent())
            people = {row["user_id"]: row for row in rows if row["username"] is not None}
            if actor_id not in people:
                raise Unauthenticated("the account was deleted", error="invalid_token")
            if other_id not in people:
                raise NotFound("the account was deleted")
            between = await connection.fetchrow(BETWEEN, actor_id, other_id)
            assert between is not None  # noqa: S101 - it has no FROM
            yield Change(connection, (actor_id, other_id), people[actor_id], between, self.limits)
