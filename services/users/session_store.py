"""Sessions, each one family of refresh tokens, in PostgreSQL."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.kit.db import Database
from services.users.domain import (
    SESSION_LIFE,
    Session,
    StoredSession,
    Verdict,
    judge_refresh,
    session_expiry,
)
from services.users.opaque import RefreshToken

# The locks keep a sign-in by the old password from slipping in beside a change of it, and one by an identity
# beside its unlinking.
ADD = """
WITH account AS ({proof} FOR SHARE)
INSERT INTO sessions
    (user_id, identity_id, selector_hash, secret_hash, user_agent,
     created_at, refreshed_at, expires_at, ends_at)
SELECT user_id, identity_id, $3, $4, $5, $6, $6, $7, $8 FROM account
RETURNING id
"""
ADD_BY_PASSWORD = ADD.format(
    proof="""
    SELECT id AS user_id, NULL::bigint AS identity_id FROM users WHERE id = $1 AND password_changed_at = $2"""
)
ADD_BY_IDENTITY = ADD.format(
    proof="SELECT user_id, id AS identity_id FROM identities WHERE user_id = $1 AND id = $2"
)
EVICT = """
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE user_id = $1 ORDER BY refreshed_at DESC, id DESC OFFSET $2
)
"""
FIND = """
SELECT s.id, s.user_id, u.username, s.secret_hash, s.previous_hash, s.request_key,
       s.refreshed_at, s.expires_at, s.ends_at
FROM sessions AS s JOIN users AS u ON u.id = s.user_id
WHERE s.selector_hash = $1 FOR UPDATE OF s
"""
ROTATE = """
UPDATE sessions SET secret_hash = $2, previous_hash = secret_hash, request_key = $3,
                    refreshed_at = $4, expires_at = $5
WHERE id = $1
"""
LIST = """
SELECT id, user_agent, created_at, refreshed_at, expires_at FROM sessions
WHERE user_id = $1 AND expires_at > $2 ORDER BY refreshed_at DESC, id DESC LIMIT $3
"""
IS_OPEN = "SELECT 1 FROM sessions WHERE user_id = $1 AND id = $2 AND expires_at > $3"
IS_FRESH = """
SELECT 1 FROM sessions WHERE user_id = $1 AND id = $2 AND created_at > $3 AND (identity_id IS NULL OR NOT $4)
"""
END = "DELETE FROM sessions WHERE id = $1"
END_OF_USER = "DELETE FROM sessions WHERE user_id = $1 AND id = $2"
END_OTHERS = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2"
CLEAN = """
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, repr=False)
class Opened:
    """A session with the refresh token that continues it."""

    session_id: int
    token: RefreshToken
    expires_at: dt.datetime


@dataclass(frozen=True, repr=False)
class Refresh:
    """The end of a refresh: a session and the token after the one presented, or why there is none."""

    verdict: Verdict | None
    session: StoredSession | None = None
    opened: Opened | None = None


UNKNOWN = Refresh(None)


class SessionStore:
    """Opens, refreshes, lists and ends sessions, `most` an account; `pepper` makes repeatable refreshes."""

    def __init__(self, database: Database, pepper: bytes, *, most: int) -> None:
        self._database = database
        self._pepper = pepper
        self._most = most

    async def open_by_password(
        self, user_id: int, password_changed_at: dt.datetime, user_agent: str, now: dt.datetime
    ) -> Opened | None:
        """A new session; None when the password was changed since it was verified, or the user is gone."""
        return await self._open(ADD_BY_PASSWORD, user_id, password_changed_at, user_agent, now)

    async def open_by_identity(
        self, user_id: int, identity_id: int, user_agent: str, now: dt.datetime
    ) -> Opened | None:
        """A new session; None when the identity was unlinked since it was proven."""
        return await self._open(ADD_BY_IDENTITY, user_id, identity_id, user_agent, now)

    async def _open(
        self, add: str, user_id: int, proof: object, user_agent: str, now: dt.datetime
    ) -> Opened | None:
        token = RefreshToken.generate()
        ends_at = now + SESSION_LIFE
        expires_at = session_expiry(now, ends_at)
        async with self._database.transaction():
            session_id = await self._database.fetchval(
                add,
                user_id,
                proof,
                token.selector_hash,
                token.secret_hash,
                user_agent,
                now,
                expires_at,
                ends_at,
            )
            await self._database.execute(EVICT, user_id, self._most)
        return None if session_id is None else Opened(session_id, token, expires_at)

    async def refresh(self, token: RefreshToken, request_key: bytes | None, now: dt.datetime) -> Refresh:
        """Judge a refresh token and do what follows, in one transaction; an old one ends its family."""
        following = token.next(self._pepper, request_key)
        async with self._database.transaction():
            row = await self._database.fetchrow(FIND, token.selector_hash)
            if row is None:
                return UNKNOWN
            session = StoredSession(**row)
            verdict = judge_refresh(
                session,
                presented=token.secret_hash,
                following=following.secret_hash,
                request_key=request_key,
                now=now,
            )
            if verdict in (Verdict.REUSED, Verdict.EXPIRED):
                await self._database.execute(END, session.id)
                return Refresh(verdict, session)
            if verdict is Verdict.KEY_REUSED:
                return Refresh(verdict, session)
            expires_at = session.expires_at
            if verdict is Verdict.ROTATE:
                expires_at = session_expiry(now, session.ends_at)
                await self._database.execute(
                    ROTATE, session.id, following.secret_hash, request_key, now, expires_at
                )
        return Refresh(verdict, session, Opened(session.id, following, expires_at))

    async def list(self, user_id: int, current: int | None, now: dt.datetime) -> list[Session]:
        """A user's sessions, the latest used first."""
        rows = await self._database.fetch(LIST, user_id, now, self._most)
        return [Session(**row, current=row["id"] == current) for row in rows]

    async def is_open(self, user_id: int, session_id: int, now: dt.datetime) -> bool:
        return bool(await self._database.fetchval(IS_OPEN, user_id, session_id, now))

    async def is_fresh(self, user_id: int, session_id: int, since: dt.datetime, *, by_password: bool) -> bool:
        """Whether a session was opened after a time, and by the password if that matters."""
        return bool(await self._database.fetchval(IS_FRESH, user_id, session_id, since, by_password))

    async def end(self, user_id: int, session_id: int) -> bool:
        """End one session of a user; False when there is none of that id."""
        return await self._database.execute(END_OF_USER, user_id, session_id) == "DELETE 1"

    async def end_others(self, user_id: int, kept_session: int) -> int:
        """End all sessions of a user but one; returns how many."""
        return int((await self._database.execute(END_OTHERS, user_id, kept_session)).split()[-1])

    async def clean(self, now: dt.datetime, limit: int) -> int:
        """Delete up to `limit` expired sessions; returns how many."""
        return int((await self._database.execute(CLEAN, now, limit)).split()[-1])
