"""What events of others change in the database of links."""

from __future__ import annotations

from services.kit.db import Database
from services.kit.serving import idempotency
from services.links.events import CheckFinished
from services.links.store import LOCK_OWNER
from telemetry.traces import current_traceparent

# Links that one transaction deletes, so that nobody waits long for a large account's lock.
BATCH = 2_000

# A title that somebody wrote stays; one that was only the address, or none, is filled in.
SET_HEALTH = """
    UPDATE links SET
        health = $4, health_reason = $5, checked_at = $6, suggested_url = $7,
        title = CASE WHEN title IN ('', url) AND $8 <> '' THEN left($8, 1000) ELSE title END,
        version = version + 1
    WHERE owner_id = $1 AND id = $2 AND url = $3 AND coalesce(checked_at <= $6, true)"""

MAKE_OWNER = "INSERT INTO link_owners (owner_id) VALUES ($1) ON CONFLICT DO NOTHING"
BURY = "INSERT INTO deleted_owners (owner_id) VALUES ($1) ON CONFLICT DO NOTHING"
DELETE_SOME = """
    DELETE FROM links WHERE owner_id = $1 AND id IN (SELECT id FROM links WHERE owner_id = $1 LIMIT $2)"""
DELETE_REST = (
    "DELETE FROM imports WHERE owner_id = $1",
    "DELETE FROM link_tags WHERE owner_id = $1",
    "DELETE FROM tag_names WHERE owner_id = $1",
    "DELETE FROM link_owners WHERE owner_id = $1",
)


class EventStore:
    """Every method may run twice with the same arguments."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def set_health(self, outcome: CheckFinished) -> None:
        """Note what a check found, unless the link has another address by now or a later check was noted."""
        async with self.database.transaction() as connection:
            await connection.execute(LOCK_OWNER, outcome.owner_id, current_traceparent())
            await connection.execute(
                SET_HEALTH,
                outcome.owner_id,
                outcome.link_id,
                outcome.url,
                outcome.health,
                outcome.reason,
                outcome.checked_at,
                outcome.suggested_url,
                outcome.title or "",
            )

    async def forget_owner(self, owner_id: int) -> None:
        """Delete everything of an account that is gone, and let it save nothing any more."""
        async with self.database.transaction() as connection:
            # Whoever saves holds this lock: what it saved before is among what is deleted below.
            await connection.execute(MAKE_OWNER, owner_id)
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            await connection.execute(BURY, owner_id)
        while await self._delete_some(owner_id):
            pass
        async with self.database.transaction() as connection:
            for sql in DELETE_REST:
                await connection.execute(sql, owner_id)
            await idempotency.forget(connection, owner_id)

    async def _delete_some(self, owner_id: int) -> bool:
        async with self.database.transaction() as connection:
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            return await connection.execute(DELETE_SOME, owner_id, BATCH) != "DELETE 0"
