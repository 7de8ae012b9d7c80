"""From what a program shows to an access token, kept in memory for half a minute.

Programs show a token or a password with every request. What they are exchanged for is good for minutes, but
whoever revokes one does not expect to wait for these: users is asked again about each that is still used.
Nothing of it is written anywhere, and what is remembered is found by a keyed hash, not by the secret itself.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from services.kit.auth import Principal
from services.kit.errors import Forbidden, Unauthenticated
from services.kit.settings import Secret
from services.users.client import Tokens, UsersClient
from services.web.programs.credentials import API_TOKEN_PREFIX, Credentials, Password, Token

# How long an answer of users counts: what was revoked meanwhile is still good for as long.
KNOWN_S = 30
# Renewed this long before it expires, so that no call made with it comes too late.
MARGIN_S = 30
MAX_KNOWN = 10_000
# The name by which the owner of a session that was opened for a password knows it.
USER_AGENT = "a bookmark program (with the password)"

Verify = Callable[[str], Awaitable[Principal]]


@dataclass(frozen=True)
class Caller:
    """Who calls. `api_token` is what was shown, if it was one; `by_password`: the caller is signed in."""

    user_id: int
    name: str
    scopes: frozenset[str]
    access_token: Secret
    api_token: Secret | None = None
    by_password: bool = False

    async def token(self) -> str:
        """What the clients of other services ask for."""
        return self.access_token.reveal()

    def require(self, scope: str) -> None:
        """Raise Forbidden without the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"the token lacks the scope `{scope}`")


@dataclass(frozen=True)
class _Known:
    caller: Caller
    until: float
    token_until: float
    refresh_token: Secret | None


class Identities:
    """Raises Unauthenticated for what is not good, TooManyRequests when passwords are tried too often."""

    def __init__(self, users: UsersClient, *, now: Callable[[], float] = time.time) -> None:
        self._users = users
        self._now = now
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def caller(self, shown: Credentials, verify: Verify, *, forwarded_for: str | None) -> Caller:
        """Who shows this; `verify` gives the principal of an Authorization header."""
        if isinstance(shown, Token) and not shown.text.reveal().startswith(API_TOKEN_PREFIX):
            caller = await _access_token(shown.text, verify)
        else:
            caller = await self._exchanged(shown, verify, forwarded_for)
        if (
            isinstance(shown, Token)
            and shown.owner is not None
            and shown.owner.lower() != caller.name.lower()
        ):
            raise Unauthenticated("this token is somebody else's")
        return caller

    async def _exchanged(self, shown: Credentials, verify: Verify, forwarded_for: str | None) -> Caller:
        found = self._find(digest := self._digest(shown))
        if found is not None:
            return found.caller
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            found = self._find(digest)
            if found is None:
                found = await self._ask(shown, verify, forwarded_for, self._known.get(digest))
                self._known[digest] = found
                self._known.move_to_end(digest)
                if len(self._known) > MAX_KNOWN:
                    self._known.popitem(last=False)
        return found.caller

    def _find(self, digest: bytes) -> _Known | None:
        found = self._known.get(digest)
        return found if found is not None and self._now() < found.until else None

    async def _ask(
        self, shown: Credentials, verify: Verify, forwarded_for: str | None, before: _Known | None
    ) -> _Known:
        now = self._now()
        if isinstance(shown, Token):
            tokens = await self._users.exchange_token(shown.text)
        elif before is not None and now < before.token_until and await self._is_open(before):
            return replace(before, until=min(now + KNOWN_S, before.token_until))
        else:
            tokens = await self._signed_in(shown, forwarded_for, before)
        principal = await verify(f"Bearer {tokens.access_token.reveal()}")
        caller = Caller(
            principal.user_id,
            principal.name,
            principal.scopes,
            tokens.access_token,
            shown.text if isinstance(shown, Token) else None,
            isinstance(shown, Password),
        )
        token_until = now + tokens.expires_in - MARGIN_S
        return _Known(caller, min(now + KNOWN_S, token_until), token_until, tokens.refresh_token)

    async def _is_open(self, known: _Known) -> bool:
        try:
            return await self._users.is_open(known.caller.access_token)
        except Unauthenticated:
            # Its key is no longer good, which says nothing about the session.
            return False

    async def _signed_in(self, shown: Password, forwarded_for: str | None, before: _Known | None) -> Tokens:
        """One session for as long as it can be renewed: a new one each time would end the caller's others."""
        if before is not None and before.refresh_token is not None:
            try:
                return await self._users.refresh(before.refresh_token)
            except Unauthenticated:
                pass  # ended, or the password was changed: this one may be the new one
        users = self._users.on_behalf_of(forwarded_for, USER_AGENT)
        return await users.sign_in(shown.username, shown.text)

    def _digest(self, shown: Credentials) -> bytes:
        parts = ("token", shown.text) if isinstance(shown, Token) else (shown.username, shown.text)
        name, secret = parts
        return hmac.digest(self._key, f"{len(name)}:{name}{secret.reveal()}".encode(), "sha256")


async def _access_token(text: Secret, verify: Verify) -> Caller:
    principal = await verify(f"Bearer {text.reveal()}")
    return Caller(principal.user_id, principal.name, principal.scopes, text)
