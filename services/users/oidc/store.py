"""Identities, the sign-ins under way and the tickets that follow them, in PostgreSQL."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.kit.db import Database, constraints
from services.kit.errors import Conflict, Unauthenticated
from services.users.oidc.attempt import Attempt, TicketSecret
from services.users.oidc.domain import ATTEMPT_LIFE, TICKET_LIFE, Identity
from services.users.oidc.protocol import Proven
from services.users.oidc.providers import Provider

BEGIN = "INSERT INTO oidc_attempts (secret_hash, provider, issuer, expires_at) VALUES ($1, $2, $3, $4)"
END = """
DELETE FROM oidc_attempts
WHERE secret_hash = $1 AND provider = $2 AND issuer = $3 AND expires_at > $4 RETURNING 1
"""
CLEAN_ATTEMPTS = """
DELETE FROM oidc_attempts WHERE secret_hash IN (
    SELECT secret_hash FROM oidc_attempts WHERE expires_at < $1 ORDER BY expires_at
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
ISSUE = """
INSERT INTO oidc_tickets (secret_hash, provider, issuer, subject, email, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
TAKE = """
DELETE FROM oidc_tickets WHERE secret_hash = $1 AND expires_at > $2
RETURNING provider, issuer, subject, email
"""
CLEAN_TICKETS = """
DELETE FROM oidc_tickets WHERE secret_hash IN (
    SELECT secret_hash FROM oidc_tickets WHERE expires_at < $1 ORDER BY expires_at
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
COLUMNS = "id, provider, email, created_at, last_used_at"
# Makes changes to one account's identities wait for each other, so that what is counted stays right.
LOCK_USER = "SELECT password_hash IS NOT NULL FROM users WHERE id = $1 FOR NO KEY UPDATE"
COUNT = "SELECT count(*) FROM identities WHERE user_id = $1"
ADD = f"""
INSERT INTO identities (user_id, issuer, subject, provider, email, created_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING {COLUMNS}
"""  # noqa: S608 - constants
LIST = f"SELECT {COLUMNS} FROM identities WHERE user_id = $1 ORDER BY id"  # noqa: S608
USE = """
UPDATE identities AS i SET last_used_at = $3 FROM users AS u
WHERE i.issuer = $1 AND i.subject = $2 AND u.id = i.user_id RETURNING i.id, i.user_id, u.username
"""
REMOVE = "DELETE FROM identities WHERE user_id = $1 AND id = $2 RETURNING provider"
END_ITS_SESSIONS = "DELETE FROM sessions WHERE user_id = $1 AND identity_id = $2 AND id <> $3"


class IdentityTaken(Conflict):
    title = "The identity signs in to an account already"


class TooManyIdentities(Conflict):
    title = "Too many identities"


class LastSignIn(Conflict):
    """Without it nobody could sign in to the account any more."""

    title = "The account has no other way to sign in"


@dataclass(frozen=True)
class Known:
    """The account that an identity signs in to."""

    identity_id: int
    user_id: int
    username: str


class AttemptStore:
    """Sign-ins under way and their tickets: each is good once, and not for long."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self.pepper = pepper

    async def begin(self, attempt: Attempt, provider: Provider, now: dt.datetime) -> None:
        await self._database.execute(BEGIN, attempt.hash, provider.id, provider.issuer, now + ATTEMPT_LIFE)

    async def end(self, attempt: Attempt, provider: Provider, now: dt.datetime) -> bool:
        """Use an attempt up; False when there is none with this provider any more."""
        return bool(await self._database.fetchval(END, attempt.hash, provider.id, provider.issuer, now))

    async def issue(self, proven: Proven, now: dt.datetime) -> TicketSecret:
        """A ticket for an identity that was proven now."""
        ticket = TicketSecret.generate()
        await self._database.execute(
            ISSUE,
            ticket.hash,
            proven.provider,
            proven.issuer,
            proven.subject,
            proven.email,
            now + TICKET_LIFE,
        )
        return ticket

    async def take(self, ticket: TicketSecret, now: dt.datetime) -> Proven | None:
        """What a ticket proves, which it does once; None for an unknown, used or expired one."""
        row = await self._database.fetchrow(TAKE, ticket.hash, now)
        return None if row is None else Proven(**row, nickname="")

    async def clean(self, now: dt.datetime, limit: int) -> int:
        """Delete up to `limit` expired attempts and as many tickets; returns how many in all."""
        attempts = await self._database.execute(CLEAN_ATTEMPTS, now, limit)
        tickets = await self._database.execute(CLEAN_TICKETS, now, limit)
        return int(attempts.split()[-1]) + int(tickets.split()[-1])


class IdentityStore:
    """Which identities sign in to which accounts; `most` to one account."""

    def __init__(self, database: Database, *, most: int) -> None:
        self._database = database
        self._most = most

    async def use(self, proven: Proven, now: dt.datetime) -> Known | None:
        """The account of an identity, noting that it was used; None when it has none."""
        row = await self._database.fetchrow(USE, proven.issuer, proven.subject, now)
        return None if row is None else Known(row["id"], row["user_id"], row["username"])

    async def add(self, user_id: int, proven: Proven, now: dt.datetime) -> Identity:
        """Link an identity to an account; raises IdentityTaken or TooManyIdentities."""
        taken = {"identities_subject_key": lambda: IdentityTaken("unlink it there first")}
        async with self._database.transaction():
            if await self._database.fetchval(LOCK_USER, user_id) is None:
                raise Unauthenticated("the account was deleted", error="invalid_token")
            if await self._database.fetchval(COUNT, user_id) >= self._most:
                raise TooManyIdentities(f"unlink one of your {self._most} identities first")
            with constraints(taken):
                row = await self._database.fetchrow(
                    ADD, user_id, proven.issuer, proven.subject, proven.provider, proven.email, now
                )
        assert row is not None  # noqa: S101 - INSERT ... RETURNING without a condition
        return Identity(**row)

    async def list(self, user_id: int) -> list[Identity]:
        """An account's identities, the oldest first."""
        return [Identity(**row) for row in await self._database.fetch(LIST, user_id)]

    async def remove(self, user_id: int, identity_id: int, *, kept_session: int) -> str | None:
        """Unlink an identity and end the other sessions that it opened; its provider, None without one.

        Raises LastSignIn where it is all that signs in to the account.
        """
        async with self._database.transaction():
            has_password = await self._database.fetchval(LOCK_USER, user_id)
            count = await self._database.fetchval(COUNT, user_id)
            provider: str | None = await self._database.fetchval(REMOVE, user_id, identity_id)
            if provider is not None and not has_password and count == 1:
                raise LastSignIn("set a password first")
            await self._database.execute(END_ITS_SESSIONS, user_id, identity_id, kept_session)
        return provider
