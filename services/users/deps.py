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
from services.kit.settings import Secret
from services.users.metrics import Metrics
from services.users.opaque import sha256
from services.users.passwords import Passwords
from services.users.problems import SessionRequired, WrongPassword
from services.users.session_store import SessionStore
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

    users: UserStore
    sessions: SessionStore
    tokens: TokenStore
    throttle: Throttle
    slowing: Slowing
    limits: Limits
    passwords: Passwords
    signer: Signer
    metrics: Metrics
    clock: Callable[[], dt.datetime]
    trusted_proxies: int

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
        raise SessionRequired("sign in with the password for this")

    async def confirm(self, account: Account, password: Secret) -> None:
        """Check the password of a signed-in user again; raises WrongPassword or TooManyRequests."""
        subject = str(account.user.id)
        await self.throttle.charge(self.limits.confirm, subject, now=self.clock())
        if not await self.passwords.verify(account.password_hash, password):
            raise WrongPassword("this is not your password")
        await self.throttle.forget(self.limits.confirm, subject)


class RequestKey(msgspec.Struct, frozen=True):
    """The Idempotency-Key where the kit must not keep the answer or the request, since they hold secrets."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None

    @property
    def hash(self) -> bytes | None:
        return None if self.idempotency_key is None else sha256(self.idempotency_key.encode())
