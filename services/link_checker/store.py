"""Addresses, whose links have them, and the leases of their hosts, in PostgreSQL."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

import msgspec

from services.kit.db import Database, Record
from services.kit.events.outbox import INSERT_EVENT
from services.link_checker.domain import State, told
from services.links.client import CHECK_FINISHED

STATE = ", ".join(State.__struct_fields__)

_FINISHED = INSERT_EVENT.format(
    key="owner_id",
    type=f"'{CHECK_FINISHED}'",
    data="""jsonb_build_object(
        'owner_id', owner_id, 'link_id', link_id, 'url', url, 'health', health, 'reason', reason,
        'checked_at', checked_at, 'suggested_url', suggested_url,
        'title', CASE WHEN titled THEN NULL ELSE title END,
        'description', CASE WHEN titled THEN NULL ELSE description END)""",
    source="told",
)
# Tells the owners of an address ($1) what is known of it: all when it changed ($2), else who has not been
# told its title; or one link's owner only ($3, $4).
TELL = f"""
    WITH told AS (
        UPDATE refs AS r SET titled = r.titled OR u.title IS NOT NULL
        FROM urls AS u
        WHERE u.id = $1 AND r.url_id = u.id AND ($2 OR (u.title IS NOT NULL AND NOT r.titled))
            AND ($3::bigint IS NULL OR (r.owner_id = $3 AND r.link_id = $4::bigint))
        RETURNING r.owner_id, r.link_id, old.titled, u.url, u.health, u.reason, u.checked_at,
            u.suggested_url, u.title, u.description)
    {_FINISHED}"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Work:
    """An address whose turn it is, under a lease of its host."""

    host: str
    lease: uuid.UUID
    url_id: int
    url: str
    state: State


class CheckStore:
    """The schedule and its leases."""

    LEASE = f"""
    WITH free AS (
        SELECT host FROM hosts WHERE due_at <= $1 AND free_at <= $1
        ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    leased AS (
        UPDATE hosts AS h SET free_at = $1 + $3::interval, lease = gen_random_uuid()
        FROM free WHERE h.host = free.host RETURNING h.host, h.lease)
    SELECT leased.host, leased.lease, u.id, u.url, {STATE}
    FROM leased LEFT JOIN LATERAL (
        SELECT * FROM urls WHERE urls.host = leased.host AND next_check_at <= $1
        ORDER BY next_check_at, id LIMIT 1) AS u ON true"""  # noqa: S608 - constants
    END_LEASE = "UPDATE hosts SET free_at = $3, lease = NULL WHERE host = $1 AND lease = $2"
    SAVE_STATE = f"""
    UPDATE urls SET ({STATE}) = ({", ".join(f"${n}" for n in range(2, 2 + len(State.__struct_fields__)))})
    WHERE id = $1"""  # noqa: S608 - constants
    SET_DUE = """
    UPDATE hosts SET due_at = (SELECT min(next_check_at) FROM urls WHERE host = $1)
    WHERE host = $1 AND EXISTS (SELECT FROM urls WHERE host = $1)"""
    DROP_HOST = "DELETE FROM hosts WHERE host = $1 AND NOT EXISTS (SELECT FROM urls WHERE host = $1)"
    QUEUE = """
    SELECT count(*) AS hosts,
           coalesce(extract(epoch FROM $1 - min(greatest(due_at, free_at))), 0)::float8 AS age_s
    FROM hosts WHERE due_at <= $1 AND free_at <= $1"""
    HEALTH = "SELECT health, count(*) FROM urls GROUP BY health"
    FORGET_REFS = """
    DELETE FROM refs WHERE (owner_id, link_id) IN (
        SELECT owner_id, link_id FROM refs WHERE removed_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"""
    FORGET_OWNERS = """
    DELETE FROM owners WHERE owner_id IN (
        SELECT owner_id FROM owners WHERE gone_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, now: dt.datetime, most: int, lasting: dt.timedelta) -> list[Work]:
        """Up to `most` addresses that are due, of as many hosts, which are nobody else's for so long."""
        rows = await self._database.fetch(self.LEASE, now, most, lasting)
        for row in rows:
            if row["id"] is None:  # its addresses are gone, or not due yet after all
                await self._settle(row["host"], row["lease"], now)
        return [
            Work(row["host"], row["lease"], row["id"], row["url"], _state(row))
            for row in rows
            if row["id"] is not None
        ]

    async def finish(self, work: Work, state: State, free_at: dt.datetime) -> bool:
        """Note the outcome, tell the owners what changed for them, and give the host back until `free_at`.

        False when the lease had run out and the outcome is not taken.
        """
        values = msgspec.structs.astuple(state)
        async with self._database.transaction() as connection:
            if await connection.execute(self.END_LEASE, work.host, work.lease, free_at) != "UPDATE 1":
                return False
            await connection.execute(self.SAVE_STATE, work.url_id, *values)
            await connection.execute(TELL, work.url_id, told(state) != told(work.state), None, None)
            await connection.execute(self.SET_DUE, work.host)
        return True

    async def release(self, work: Work, now: dt.datetime) -> None:
        """Give a host back unchecked."""
        await self._database.execute(self.END_LEASE, work.host, work.lease, now)

    async def queue(self, now: dt.datetime) -> tuple[int, float]:
        """How many hosts could be asked now, and for how many seconds the first has been waiting."""
        row = await self._database.fetchrow(self.QUEUE, now)
        assert row is not None  # noqa: S101 - an aggregate gives a row
        return row["hosts"], row["age_s"]

    async def health(self) -> dict[str, int]:
        """How many addresses are known to be what."""
        return {row["health"]: row["count"] for row in await self._database.fetch(self.HEALTH)}

    async def forget(self, before: dt.datetime, limit: int) -> int:
        """Forget links and accounts that went before a time; returns how many rows."""
        done = [
            await self._database.execute(sql, before, limit) for sql in (self.FORGET_REFS, self.FORGET_OWNERS)
        ]
        return sum(int(tag.split()[-1]) for tag in done)

    async def _settle(self, host: str, lease: uuid.UUID, now: dt.datetime) -> None:
        async with self._database.transaction() as connection:
            # It locks the row, so that nobody adds an address to the host meanwhile.
            if await connection.execute(self.END_LEASE, host, lease, now) == "UPDATE 1":
                await connection.execute(self.DROP_HOST, host)
                await connection.execute(self.SET_DUE, host)


def _state(row: Record) -> State:
    return State(**{name: row[name] for name in State.__struct_fields__})
