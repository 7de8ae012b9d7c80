"""All SQL about who is signed in at the pages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.kit.db import Database, Record
from services.web.departures import IS_HERE, beside_departure

COLUMNS = "id_hash, user_id, username, users_session_id, tokens, access_expires_at, expires_at"
ADD = f"""
    INSERT INTO web_sessions ({COLUMNS})
    SELECT $1, $2, $3, $4, $5, $6, $7 WHERE {IS_HERE.format(user="$2")} RETURNING true"""
FIND = f"SELECT {COLUMNS} FROM web_sessions WHERE id_hash = $1 AND expires_at > now()"  # noqa: S608 - as above
LOCK = FIND + " FOR UPDATE"
RENEW = "UPDATE web_sessions SET tokens = $2, access_expires_at = $3, expires_at = $4 WHERE id_hash = $1"
END = "DELETE FROM web_sessions WHERE id_hash = $1"
END_BY_USERS_SESSION = "DELETE FROM web_sessions WHERE user_id = $1 AND users_session_id = $2"
END_OTHERS = "DELETE FROM web_sessions WHERE user_id = $1 AND id_hash <> $2"
END_ALL = "DELETE FROM web_sessions WHERE user_id = $1"
CLEAN = """
    DELETE FROM web_sessions WHERE id_hash IN (
        SELECT id_hash FROM web_sessions WHERE expires_at < now() ORDER BY expires_at LIMIT $1
        FOR UPDATE SKIP LOCKED)"""


@dataclass(frozen=True, repr=False)
class StoredSession:
    """A row; `tokens` is encrypted."""

    id_hash: bytes
    user_id: int
    username: str
    users_session_id: int | None
    tokens: bytes
    access_expires_at: dt.datetime
    expires_at: dt.datetime


class SessionStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: StoredSession) -> bool:
        """Keep it; False for an account that is gone."""
        async with beside_departure(self._database, session.user_id):
            added = await self._database.fetchval(
                ADD,
                session.id_hash,
                session.user_id,
                session.username,
                session.users_session_id,
                session.tokens,
                session.access_expires_at,
                session.expires_at,
            )
        return bool(added)

    async def find(self, id_hash: bytes) -> StoredSession | None:
        return _session(await self._database.fetchrow(FIND, id_hash))

    async def lock(self, id_hash: bytes) -> StoredSession | None:
        """The row, held until the open transaction ends."""
        return _session(await self._database.fetchrow(LOCK, id_hash))

    async def renew(
        self, id_hash: bytes, tokens: bytes, access_expires_at: dt.datetime, expires_at: dt.datetime
    ) -> None:
        await self._database.execute(RENEW, id_hash, tokens, access_expires_at, expires_at)

    async def end(self, id_hash: bytes) -> None:
        await self._database.execute(END, id_hash)

    async def end_by_users_session(self, user_id: int, users_session_id: int) -> None:
        await self._database.execute(END_BY_USERS_SESSION, user_id, users_session_id)

    async def end_others(self, user_id: int, id_hash: bytes) -> None:
        await self._database.execute(END_OTHERS, user_id, id_hash)

    async def end_all(self, user_id: int) -> None:
        await self._database.execute(END_ALL, user_id)

    async def clean(self, rows: int) -> None:
        """Delete so many of those that have expired."""
        await self._database.execute(CLEAN, rows)


def _session(row: Record | None) -> StoredSession | None:
    return None if row is None else StoredSession(*row)
