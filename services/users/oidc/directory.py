"""What a provider publishes about itself: its discovery document and its keys, fetched and kept a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey, import_key

from services.kit.errors import Problem
from services.users.oidc.http import ProviderFault, ProviderHttp
from services.users.oidc.providers import Provider, is_safe

METADATA_MAX_AGE_S = 3_600
KEYS_MAX_AGE_S = 600
# A token with an unknown `kid` makes us look again, but no flood of them makes us look more often.
KEYS_MIN_AGE_S = 10
# How long nobody asks again what could not be had a moment ago: waiting for a timeout costs a place.
FAILURE_KEPT_S = 5
MAX_KEYS = 100

T = TypeVar("T")
Now = Callable[[], float]


class Metadata(msgspec.Struct, frozen=True):
    """The part of a discovery document (OpenID Connect Discovery 1.0, section 3) that a sign-in needs."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    response_types_supported: list[str] = []
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    # Absent: not said. RFC 8414, section 2.
    code_challenge_methods_supported: list[str] | None = None
    # RFC 9207: the answer to the browser names the issuer.
    authorization_response_iss_parameter_supported: bool = False


class Directory:
    """What one provider publishes; raises ProviderUnavailable and ProviderFault."""

    def __init__(self, provider: Provider, http: ProviderHttp, now: Now) -> None:
        self._provider = provider
        self._http = http
        self._metadata = _Kept(self._fetch_metadata, now)
        self._keys = _Kept(self._fetch_keys, now)

    async def metadata(self) -> Metadata:
        return await self._metadata.get(METADATA_MAX_AGE_S)

    async def keys(self, kid: str | None) -> KeySet:
        """The provider's keys; looked up anew when none has this id."""
        keys = await self._keys.get(KEYS_MAX_AGE_S)
        if all(key.kid != kid for key in keys.keys) and kid is not None:
            keys = await self._keys.get(KEYS_MIN_AGE_S)
        return keys

    async def _fetch_metadata(self) -> Metadata:
        provider = self._provider
        answer = await self._http.ask("GET", get_well_known_url(provider.issuer, external=True))
        metadata = answer.read(Metadata)
        # A document that speaks for another issuer would have us accept that one's tokens.
        if metadata.issuer != provider.issuer:
            raise ProviderFault(f"{provider.id} says that it is another issuer")
        endpoints = [metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri]
        if metadata.userinfo_endpoint is not None:
            endpoints.append(metadata.userinfo_endpoint)
        if not all(_as_safe(endpoint, provider.issuer) for endpoint in endpoints):
            raise ProviderFault(f"an endpoint of {provider.id} is not an https address")
        methods = metadata.code_challenge_methods_supported
        if methods is not None and "S256" not in methods:
            raise ProviderFault(f"{provider.id} does not support PKCE with S256")
        if "code" not in metadata.response_types_supported:
            raise ProviderFault(f"{provider.id} does not support the code flow")
        return metadata

    async def _fetch_keys(self) -> KeySet:
        metadata = await self.metadata()
        answer = await self._http.ask("GET", metadata.jwks_uri)
        listed = answer.read(_Jwks).keys[:MAX_KEYS]
        keys = [key for each in listed if (key := _public_key(each)) is not None]
        if not keys:
            raise ProviderFault(f"{self._provider.id} publishes no keys")
        return KeySet([*keys])


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Kept(Generic[T]):
    """A document, fetched by one caller at a time; a failure is kept too, a little while."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], now: Now) -> None:
        self._fetch = fetch
        self._now = now
        self._fetching = asyncio.Lock()
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._failure: Problem | None = None
        self._failed_at = float("-inf")

    async def get(self, max_age_s: float) -> T:
        """The document, at most so old."""
        if (value := self._fresh(max_age_s)) is not None:
            return value
        async with self._fetching:
            if (value := self._fresh(max_age_s)) is not None:
                return value
            if self._failure is not None and self._now() - self._failed_at < FAILURE_KEPT_S:
                raise type(self._failure)(self._failure.detail)
            try:
                self._value = value = await self._fetch()
            except Problem as problem:
                self._failure, self._failed_at = problem, self._now()
                raise
            self._fetched_at, self._failure = self._now(), None
            return value

    def _fresh(self, max_age_s: float) -> T | None:
        return self._value if self._now() - self._fetched_at <= max_age_s else None


def _as_safe(endpoint: str, issuer: str) -> bool:
    """Whether an endpoint may be used: plain HTTP only with a provider that is on this machine itself."""
    return is_safe(endpoint) and (endpoint.startswith("https:") or issuer.startswith("http:"))


def _public_key(jwk: dict[str, Any]) -> RSAKey | ECKey | OKPKey | None:
    """A key that may sign; None for one of another kind, which providers publish beside."""
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        key = import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    # A published symmetric key would be no secret.
    return None if isinstance(key, OctKey) else key
