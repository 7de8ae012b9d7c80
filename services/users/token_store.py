"""Personal API tokens in PostgreSQL, found by the hash of their secret."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.kit.db import Database, constraints
from services.kit.errors import Conflict, Unprocessable
from services.users.domain import LAST_USED_EVERY, ApiToken, Grant, NewApiToken
from services.users.opaque import NewApiSecret

# Also makes creations by one user wait for each other, so that the count below is right.
LOCK_USER = "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE"
# As long as this lock is held, the session that asks cannot be ended.
LOCK_SESSION = "SELECT 1 FROM sessions WHERE user_id = $1 AND id = $2 AND expires_at > $3 FOR KEY SHARE"
# Expired ones count until they are cleaned away, so that nobody fills the table with them.
COUNT = "SELECT count(*) FROM api_tokens WHERE user_id = $1"
COLUMNS = "id, name, scopes, created_at, expires_at, last_used_at"
ADD = f"""
INSERT INTO api_tokens (user_id, name, scopes, token_hash, request_key, salt, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {COLUMNS}
"""  # noqa: S608 - constants
MADE_BEFORE = f"SELECT salt, {COLUMNS} FROM api_tokens WHERE user_id = $1 AND request_key = $2"  # noqa: S608
LIST = f"SELECT {COLUMNS} FROM api_tokens WHERE user_id = $1 ORDER BY id DESC"  # noqa: S608
REVOKE = "DELETE FROM api_tokens WHERE user_id = $1 AND id = $2 RETURNING name"
USE = """
WITH used AS (
    UPDATE api_tokens SET last_used_at = $2
    WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)
      AND (last_used_at IS NULL OR last_used_at <= $2 - $3::interval)
)
SELECT t.user_id, u.username, t.scopes, t.expires_at
FROM api_tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2)
"""
CLEAN = """
DELETE FROM api_tokens WHERE id IN (
    SELECT id FROM api_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


class TooManyTokens(Conflict):
    title = "Too many API tokens"


class TokenNameTaken(Conflict):
    title = "An API token of this name exists"


class SessionEnded(Exception):
    """The session that asked for a token was ended meanwhile."""


@dataclass(frozen=True, repr=False)
class Made:
    """A token and its text, which is known only now; `again`: the same request had made it before."""

    token: ApiToken
    secret: NewApiSecret
    again: bool = False


class TokenStore:
    """Makes, lists, revokes and looks up API tokens, `most` of an account; `pepper` answers repetitions."""

    def __init__(self, database: Database, pepper: bytes, *, most: int) -> None:
        self._database = database
        self._pepper = pepper
        self._most = most

    async def add(
        self,
        user_id: int,
        session_id: int,
        new: NewApiToken,
        request_key: bytes | None,
        now: dt.datetime,
    ) -> Made:
        """A new token, or the one that the same request made before.

        Raises SessionEnded, TokenNameTaken, TooManyTokens, or Unprocessable when the Idempotency-Key came
        with another token.
        """
        with constraints({"api_tokens_user_name_key": lambda: TokenNameTaken("choose another name")}):
            async with self._database.transaction():
                await self._database.execute(LOCK_USER, user_id)
                if not await self._database.fetchval(LOCK_SESSION, user_id, session_id, now):
                    raise SessionEnded
                if request_key is not None:
                    made = await self._made_before(user_id, new, request_key)
                    if made is not None:
                        return made
                if await self._database.fetchval(COUNT, user_id) >= self._most:
                    raise TooManyTokens(f"revoke one of your {self._most} tokens first")
                return await self._insert(user_id, new, request_key, now)

    async def list(self, user_id: int) -> list[ApiToken]:
        """A user's tokens, the newest first."""
        rows = await self._database.fetch(LIST, user_id)
        return [ApiToken(**row) for row in rows]

    async def use(self, token_hash: bytes, now: dt.datetime) -> Grant | None:
        """What a token grants, noting that it was used; None for an unknown, revoked or expired one."""
        row = await self._database.fetchrow(USE, token_hash, now, LAST_USED_EVERY)
        if row is None:
            return None
        return Grant(row["user_id"], row["username"], frozenset(row["scopes"]), None, row["expires_at"])

    async def revoke(self, user_id: int, token_id: int) -> str | None:
        """Forget a token; its name, None when the user has none of that id."""
        name: str | None = await self._database.fetchval(REVOKE, user_id, token_id)
        return name

    async def clean(self, before: dt.datetime, limit: int) -> int:
        """Delete up to `limit` tokens that expired before a time; returns how many."""
        return int((await self._database.execute(CLEAN, before, limit)).split()[-1])

    async def _made_before(self, user_id: int, new: NewApiToken, request_key: bytes) -> Made | None:
        row = await self._database.fetchrow(MADE_BEFORE, user_id, request_key)
        if row is None:
            return None
        values = dict(row)
        salt = values.pop("salt")
        token = ApiToken(**values)
        if (token.name, token.scopes, token.expires_at) != (new.name, new.scopes, new.expires_at):
            raise Unprocessable("this Idempotency-Key was used for another token", header="idempotency-key")
        return Made(token, NewApiSecret.again(self._pepper, request_key, salt), again=True)

    async def _insert(
        self, user_id: int, new: NewApiToken, request_key: bytes | None, now: dt.datetime
    ) -> Made:
        secret = NewApiSecret.generate(self._pepper, request_key)
        row = await self._database.fetchrow(
            ADD,
            user_id,
            new.name,
            new.scopes,
            secret.hash,
            request_key,
            secret.salt,
            now,
            new.expires_at,
        )
        assert row is not None  # noqa: S101 - INSERT ... RETURNING without a condition
        return Made(ApiToken(**row), secret)
