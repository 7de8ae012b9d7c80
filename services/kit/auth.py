"""Who is calling: an ES256 access token, verified here again whatever a proxy before us did."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import extract_compact
from prometheus_client import Counter

from services.kit.errors import Problem, Unauthenticated, Unavailable

# Gives a JWKS document (JSON); raises a Problem when it cannot be had.
FetchKeys = Callable[[], Awaitable[bytes]]

# Clocks of two machines differ by this much at most.
LEEWAY_S = 5
# A key is published well before it signs, and stays long after; this is how late we may learn of it.
KEYS_MAX_AGE_S = 300
# A token with an unknown `kid` makes us look again, but no flood of forged ones makes us look more often.
KEYS_MIN_AGE_S = 5
# Without any key nobody is served, so look more often.
NO_KEYS_MIN_AGE_S = 0.5
FETCH_TIMEOUT_S = 2.0
MAX_CACHED_TOKENS = 10_000
MAX_TOKEN_CHARACTERS = 8_192

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, as the access token says."""

    user_id: int
    name: str
    scopes: frozenset[str]
    # The sign-in that the token comes from; None when it comes from a personal API token.
    session_id: int | None = None


class Claims(msgspec.Struct, frozen=True):
    """What an access token must say; anything more is ignored. Times are seconds since 1970."""

    iss: str
    aud: str | list[str]
    sub: str
    exp: int | float
    name: str = ""
    scope: str = ""
    sid: str = ""
    nbf: int | float = 0
    iat: int | float = 0


class Verifier:
    """Access tokens to principals, with the issuer's keys and the tokens already seen kept in memory."""

    def __init__(
        self,
        fetch: FetchKeys,
        *,
        issuer: str,
        audience: str,
        failures: Counter | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._issuer = issuer
        self._audience = audience
        self._failures = failures
        self._now = now
        self._refreshing = asyncio.Lock()
        self._keys: dict[str, ECKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._seen: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def principal(self, authorization: str | None) -> Principal:
        """The principal of an Authorization header; raises Unauthenticated, or Unavailable without keys."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send an access token: `Authorization: Bearer ...`")
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("not an access token", error="invalid_token")
        digest = hashlib.sha256(token.encode()).digest()
        seen = self._seen.get(digest)
        if seen is not None and self._now() < seen[0]:
            return seen[1]
        until, principal = await self._verify(token)
        self._seen[digest] = (until, principal)
        if len(self._seen) > MAX_CACHED_TOKENS:
            self._seen.popitem(last=False)
        return principal

    async def _verify(self, token: str) -> tuple[float, Principal]:
        try:
            kid = _kid(token)
            key = await self._key(kid)
            claims = msgspec.convert(_claims(token, key), Claims)
        except (JoseError, ValueError, TypeError, msgspec.ValidationError) as error:
            # The TypeError is joserfc's, for a header whose `crit` is no list.
            raise Unauthenticated("not an access token", error="invalid_token") from error
        self._check(claims)
        user_id, session_id = _number(claims.sub), _number(claims.sid)
        if user_id is None:
            raise Unauthenticated("the token names no user", error="invalid_token")
        scopes = frozenset(claims.scope.split())
        return claims.exp + LEEWAY_S, Principal(user_id, claims.name, scopes, session_id)

    def _check(self, claims: Claims) -> None:
        now = self._now()
        audiences = claims.aud if isinstance(claims.aud, list) else [claims.aud]
        if claims.iss != self._issuer:
            fault = "the token is from another issuer"
        elif self._audience not in audiences:
            fault = "the token is for another audience"
        elif claims.exp + LEEWAY_S <= now:
            fault = "the token has expired"
        elif max(claims.nbf, claims.iat) - LEEWAY_S > now:
            fault = "the token is not valid yet"
        else:
            return
        raise Unauthenticated(fault, error="invalid_token")

    async def _key(self, kid: str) -> ECKey:
        if not self._knows(kid):
            async with self._refreshing:
                # Whoever was here before may have brought it.
                if not self._knows(kid):
                    await self._refresh()
        if not self._keys:
            raise Unavailable("the keys of access tokens cannot be had")
        try:
            return self._keys[kid]
        except KeyError:
            raise Unauthenticated("the token's key is unknown", error="invalid_token") from None

    def _knows(self, kid: str) -> bool:
        return kid in self._keys and self._now() - self._fetched_at <= KEYS_MAX_AGE_S

    async def _refresh(self) -> None:
        if self._now() - self._tried_at < (KEYS_MIN_AGE_S if self._keys else NO_KEYS_MIN_AGE_S):
            return
        self._tried_at = self._now()
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                self._keys = _read_keys(await self._fetch())
        except (Problem, TimeoutError, ValueError, JoseError, msgspec.MsgspecError) as error:
            self._fail_open_on_last_good_keys(error)
        else:
            self._fetched_at = self._now()

    def _fail_open_on_last_good_keys(self, error: Exception) -> None:
        """An outage of the issuer must not sign everybody out; what was signed stays verifiable."""
        if self._failures is not None:
            self._failures.inc()
        _log.warning("keys not refreshed", error=str(error) or type(error).__name__, kept=len(self._keys))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _kid(token: str) -> str:
    header = extract_compact(token.encode()).headers()
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise Unauthenticated("the token names no key", error="invalid_token")
    return kid


def _claims(token: str, key: ECKey) -> dict[str, Any]:
    return jwt.decode(token, key, algorithms=["ES256"]).claims


def _read_keys(document: bytes) -> dict[str, ECKey]:
    jwks = msgspec.json.decode(document, type=dict[str, list[dict[str, Any]]])
    return {
        str(entry["kid"]): ECKey.import_key(entry)
        for entry in jwks.get("keys", [])
        if entry.get("kty") == "EC" and entry.get("crv") == "P-256" and "kid" in entry
    }
