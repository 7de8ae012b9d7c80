"""Users and their sessions in PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.kit.db import Database, constraints
from services.kit.errors import Conflict
from services.kit.events.outbox import INSERT_EVENT, SET_TRACE
from services.kit.serving import idempotency
from services.users.domain import PublicUser, User
from services.users.events import USER_DELETED, USER_REGISTERED
from telemetry.traces import current_traceparent

_REGISTERED = INSERT_EVENT.format(
    key="id",
    type=f"'{USER_REGISTERED}'",
    data="jsonb_build_object('user_id', id, 'username', username, 'created_at', created_at)",
    source="made",
)
_DELETED = INSERT_EVENT.format(
    key="id",
    type=f"'{USER_DELETED}'",
    data="jsonb_build_object('user_id', id, 'username', username)",
    source="gone",
)
_NOTED = "INSERT INTO deleted_accounts (user_id, deleted_at) SELECT id, $3 FROM gone"


class UsernameTaken(Conflict):
    title = "The username is taken"


class KeyTaken(Exception):
    """The Idempotency-Key of a sign-up belongs to another one."""


@dataclass(frozen=True, repr=False)
class Account:
    """A user with what sign-in needs; no hash: the account has no password."""

    user: User
    password_hash: str | None
    password_changed_at: dt.datetime


class UserStore:
    """Accounts; every method is one statement unless it says otherwise."""

    COLUMNS = "id, username, email, created_at, password_hash, password_changed_at"
    ADD = f"""
    WITH made AS (
        INSERT INTO users (username, email, password_hash, request_key, created_at, password_changed_at)
        VALUES ($1, $2, $3, $4, $5, $5)
        RETURNING id, username, created_at, {SET_TRACE.format(parameter="$6")}),
    told AS ({_REGISTERED})
    SELECT id FROM made
    """  # noqa: S608 - constants
    BY_NAME = f"SELECT {COLUMNS} FROM users WHERE username = $1"  # noqa: S608 - constants
    BY_ID = f"SELECT {COLUMNS} FROM users WHERE id = $1"  # noqa: S608
    BY_REQUEST_KEY = f"SELECT {COLUMNS} FROM users WHERE request_key = $1"  # noqa: S608
    PUBLIC = "SELECT id AS user_id, username, created_at FROM users WHERE"
    PUBLIC_BY_IDS = f"{PUBLIC} id = ANY($1::bigint[]) ORDER BY id"
    PUBLIC_BY_NAME = f"{PUBLIC} username = $1"
    EXISTS = "SELECT 1 FROM users WHERE username = $1"
    FIRST_FREE = """
    SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS offered (name, position)
    WHERE NOT EXISTS (SELECT FROM users WHERE username = name) ORDER BY position LIMIT 1
    """
    EMAIL_KNOWN = "SELECT EXISTS (SELECT FROM users WHERE lower(email) = lower($1))"
    REHASH = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
    REPLACE_HASH = """
    UPDATE users SET password_hash = $3, password_changed_at = $4 WHERE id = $1 AND password_changed_at = $2
    """
    END_OTHER_SESSIONS = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2"
    REVOKE_API_TOKENS = "DELETE FROM api_tokens WHERE user_id = $1"
    DELETE = f"""
    WITH gone AS (
        DELETE FROM users WHERE id = $1 RETURNING id, username, {SET_TRACE.format(parameter="$2")}),
    noted AS ({_NOTED})
    {_DELETED}
    """  # noqa: S608 - constants
    FORGET_REQUEST_KEYS = """
    UPDATE users SET request_key = NULL WHERE id IN (
        SELECT id FROM users WHERE request_key IS NOT NULL AND created_at < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        username: str,
        email: str | None,
        password_hash: str | None,
        request_key: bytes | None,
        now: dt.datetime,
    ) -> User:
        """A new account; raises UsernameTaken or KeyTaken."""
        errors: dict[str, Callable[[], Exception]] = {
            "users_username_key": lambda: UsernameTaken("choose another username"),
            "users_request_key_key": KeyTaken,
        }
        with constraints(errors):
            user_id = await self._database.fetchval(
                self.ADD, username, email, password_hash, request_key, now, current_traceparent()
            )
        return User(user_id, username, email, now, password_hash is not None)

    async def is_taken(self, username: str) -> bool:
        return bool(await self._database.fetchval(self.EXISTS, username))

    async def first_free(self, usernames: Sequence[str]) -> str | None:
        """The first of these usernames that nobody has."""
        name: str | None = await self._database.fetchval(self.FIRST_FREE, usernames)
        return name

    async def is_known_email(self, email: str) -> bool:
        """Whether an account has this address, which nobody has verified here."""
        return bool(await self._database.fetchval(self.EMAIL_KNOWN, email))

    async def public(self, user_ids: Sequence[int]) -> list[PublicUser]:
        """What anybody may know of these users; those that do not exist are left out."""
        return [PublicUser(**row) for row in await self._database.fetch(self.PUBLIC_BY_IDS, user_ids)]

    async def public_by_name(self, username: str) -> PublicUser | None:
        row = await self._database.fetchrow(self.PUBLIC_BY_NAME, username)
        return None if row is None else PublicUser(**row)

    async def by_name(self, username: str) -> Account | None:
        return await self._account(self.BY_NAME, username)

    async def by_id(self, user_id: int) -> Account | None:
        return await self._account(self.BY_ID, user_id)

    async def by_request_key(self, request_key: bytes) -> Account | None:
        return await self._account(self.BY_REQUEST_KEY, request_key)

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Store the same password's hash anew, unless it was changed meanwhile."""
        await self._database.execute(self.REHASH, account.user.id, account.password_hash, password_hash)

    async def change_password(
        self,
        account: Account,
        password_hash: str,
        now: dt.datetime,
        *,
        kept_session: int,
        revoke_api_tokens: bool,
    ) -> bool:
        """Store another password and end what the old one opened, in one transaction.

        False when somebody else changed it since `account` was read; nothing is done then.
        """
        user_id = account.user.id
        async with self._database.transaction():
            done = await self._database.execute(
                self.REPLACE_HASH, user_id, account.password_changed_at, password_hash, now
            )
            if done != "UPDATE 1":
                return False
            await self._database.execute(self.END_OTHER_SESSIONS, user_id, kept_session)
            if revoke_api_tokens:
                await self._database.execute(self.REVOKE_API_TOKENS, user_id)
        return True

    async def delete(self, user_id: int, now: dt.datetime) -> None:
        """Remove an account and, by the foreign keys, all that belongs to it here; tell others."""
        async with self._database.transaction() as connection:
            await connection.execute(self.DELETE, user_id, current_traceparent(), now)
            await idempotency.forget(connection, user_id)

    async def forget_request_keys(self, before: dt.datetime, limit: int) -> int:
        """Forget the Idempotency-Keys of sign-ups before a time; returns how many."""
        return int((await self._database.execute(self.FORGET_REQUEST_KEYS, before, limit)).split()[-1])

    async def _account(self, sql: str, argument: object) -> Account | None:
        row = await self._database.fetchrow(sql, argument)
        if row is None:
            return None
        has_password = row["password_hash"] is not None
        user = User(row["id"], row["username"], row["email"], row["created_at"], has_password)
        return Account(user, row["password_hash"], row["password_changed_at"])
