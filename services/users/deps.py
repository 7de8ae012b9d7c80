"""What the handlers work with, and what they ask of every request that shows a secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from services.kit.auth import Principal
from services.kit.db import Database
from services.kit.live.settings import Live
from services.kit.settings import Secret
from services.users.audit import Action
from services.users.audit_store import AuditStore
from services.users.domain import FRESH, SESSION_SCOPES, Grant, scope_claim
from services.users.messages import Tokens
from services.users.metrics import Metrics
from services.users.oidc.protocol import RelyingParty
from services.users.oidc.store import AttemptStore, IdentityStore
from services.users.opaque import sha256
from services.users.passwords import Passwords
from services.users.problems import FreshSignInRequired, SessionRequired, SignUpsClosed, WrongPassword
from services.users.session_store import Opened, SessionStore
from services.users.settings import UsersSettings
from services.users.signer import Signer
from services.users.store import Account, UserStore
from services.users.throttle import Limits, Slowing, Throttle, client_address
from services.users.token_store import TokenStore

# The largest request is a password and a name; nothing here needs the kit's megabyte.
BODY_LIMIT_BYTES = 16 * 1024
# These answers are secrets.
NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True)
class Deps:
    """The stores and the cryptography of the service; `clock` gives the time in UTC."""

    database: Database
    users: UserStore
    sessions: SessionStore
    tokens: TokenStore
    identities: IdentityStore
    attempts: AttemptStore
    audit: AuditStore
    relying_party: RelyingParty
    throttle: Throttle
    slowing: Slowing
    live: Live[UsersSettings]
    passwords: Passwords
    signer: Signer
    metrics: Metrics
    clock: Callable[[], dt.datetime]
    trusted_proxies: int

    @property
    def limits(self) -> Limits:
        """The throttles' limits that are in force now."""
        return self.live.now.limits()

    def require_open(self) -> None:
        """Raise SignUpsClosed unless strangers may make accounts now."""
        if not self.live.now.sign_ups_open:
            raise SignUpsClosed("no new accounts are made here at this time")

    def address_of(self, request: Request) -> str:
        """Whose attempts are counted; see throttle.client_address."""
        peer = request.client.host if request.client is not None else ""
        return client_address(request.headers.get("x-forwarded-for"), peer, self.trusted_proxies)

    async def session_of(self, principal: Principal) -> int:
        """The open session of the caller; raises SessionRequired.

        An access token outlives its session by up to ten minutes: long enough to make itself a lasting
        API token, if this were not asked.
        """
        if principal.session_id is not None and await self.sessions.is_open(
            principal.user_id, principal.session_id, self.clock()
        ):
            return principal.session_id
        raise SessionRequired("sign in for this")

    async def confirm(
        self,
        request: Request,
        account: Account,
        session_id: int,
        password: Secret | None,
        *,
        fresh_suffices: bool = False,
    ) -> None:
        """Make sure that it is the owner who asks, not somebody with his session.

        By the password; by a sign-in a moment ago where there is no password; with `fresh_suffices` also by a
        sign-in with the password a moment ago. Raises WrongPassword, FreshSignInRequired, TooManyRequests.
        """
        has_password = account.password_hash is not None
        if has_password and (password is not None or not fresh_suffices):
            await self._confirm_password(request, account, session_id, password)
            return
        since = self.clock() - FRESH
        if not await self.sessions.is_fresh(account.user.id, session_id, since, by_password=has_password):
            raise FreshSignInRequired("sign in again, then send this within ten minutes")

    async def _confirm_password(
        self, request: Request, account: Account, session_id: int, password: Secret | None
    ) -> None:
        if password is None:
            raise WrongPassword("give your password")
        subject = str(account.user.id)
        await self.throttle.charge(self.limits.confirm, subject, now=self.clock())
        if not await self.passwords.verify(account.password_hash, password):
            await self.note("confirmation-failed", request, account.user.id, session_id)
            raise WrongPassword("this is not your password")
        await self.throttle.forget(self.limits.confirm, subject)

    async def note(
        self,
        action: Action,
        request: Request,
        user_id: int | None,
        session_id: int | None = None,
        **details: str,
    ) -> None:
        """Write into the audit log, in the transaction of the action where one is open."""
        await self.audit.write(
            action,
            user_id,
            self.clock(),
            address=self.address_of(request),
            session_id=session_id,
            details=details,
        )

    def tokens_of(self, user_id: int, username: str, opened: Opened) -> Tokens:
        """The answer that gives a session to who signed in or refreshed."""
        access = self.signer.sign(Grant(user_id, username, SESSION_SCOPES, opened.session_id))
        return Tokens(
            access_token=access.text,
            expires_in=access.expires_in,
            scope=scope_claim(SESSION_SCOPES),
            refresh_token=opened.token.text,
            refresh_expires_in=int((opened.expires_at - self.clock()).total_seconds()),
        )


class RequestKey(msgspec.Struct, frozen=True):
    """The Idempotency-Key where the kit must not keep the answer or the request, since they hold secrets."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None

    @property
    def hash(self) -> bytes | None:
        return None if self.idempotency_key is None else sha256(self.idempotency_key.encode())
