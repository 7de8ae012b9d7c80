"""The audit log in PostgreSQL: append, read, forget when the retention is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec

from services.kit.db import Database, Record
from services.users.audit import Action, AuditEntry

# So many entries of one action a day and account: a guesser must not fill the table, nor a script.
DAILY_ENTRIES = 100

# The account is locked against its deletion; one that is gone, or a name that nobody has, gets no entry.
WRITE = """
INSERT INTO audit (user_id, at, action, address, session_id, details)
SELECT id, $2, $3, $4, $5, $6::text::jsonb FROM users
WHERE id = $1 AND (
    SELECT count(*) FROM (
        SELECT FROM audit WHERE user_id = $1 AND action = $3 AND at > $2::timestamptz - interval '1 day'
        LIMIT $7
    ) AS today
) < $7
FOR KEY SHARE OF users
"""
LIST = """
SELECT id, at, action, address, session_id, details::text FROM audit
WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""
FORGETTING = "SELECT set_config('delinkcious.forget_audit', 'on', true)"
FORGET = """
DELETE FROM audit WHERE id IN (
    SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
FORGET_DELETED = """
DELETE FROM deleted_accounts WHERE user_id IN (
    SELECT user_id FROM deleted_accounts WHERE deleted_at < $1 ORDER BY deleted_at
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
LAST_ID = 2**63 - 1


class AuditStore:
    """Entries of all accounts; `write` joins the transaction that is open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(
        self,
        action: Action,
        user_id: int | None,
        now: dt.datetime,
        *,
        address: str,
        session_id: int | None,
        details: Mapping[str, str],
    ) -> None:
        """Append an entry; for None, who is nobody, the same work without one."""
        encoded = msgspec.json.encode(details).decode()
        await self._database.execute(WRITE, user_id, now, action, address, session_id, encoded, DAILY_ENTRIES)

    async def list(self, user_id: int, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Up to `limit` entries of an account, the newest first, older than the entry `before`."""
        rows = await self._database.fetch(LIST, user_id, LAST_ID if before is None else before, limit)
        return [_entry(row) for row in rows]

    async def forget(self, before: dt.datetime, limit: int) -> int:
        """Delete up to `limit` entries from before a time; returns how many."""
        async with self._database.transaction():
            await self._database.execute(FORGETTING)
            return int((await self._database.execute(FORGET, before, limit)).split()[-1])

    async def forget_deleted(self, before: dt.datetime, limit: int) -> int:
        """Forget up to `limit` accounts that were deleted before a time; returns how many."""
        return int((await self._database.execute(FORGET_DELETED, before, limit)).split()[-1])


def _entry(row: Record) -> AuditEntry:
    details = msgspec.json.decode(row["details"], type=dict[str, str])
    return AuditEntry(row["id"], row["at"], row["action"], row["address"], row["session_id"], details)
