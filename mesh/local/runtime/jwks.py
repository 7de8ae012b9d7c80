"""Keys of token issuers, fetched from `jwksUri` as istiod does: from outside the mesh, in plain text.

Until the first answer an issuer has no keys, so every token of it fails. The last good answer stays, for an
hour over a restart of the mesh, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from mesh.local.envoy import durations
from mesh.local.inside import is_inside
from mesh.local.model import CLUSTER_DOMAIN, Config, Registry
from mesh.local.runtime.kept_keys import KeptKeys

TIMEOUT_S = 5.0
REFRESH_S = 20 * 60.0  # istiod's default
RETRY_FIRST_S, RETRY_LIMIT_S = 0.25, 30.0
MAX_BYTES = 2**20
KEY_TYPES = ("EC", "RSA", "OKP", "oct")


class _KeySet(msgspec.Struct):
    keys: list[dict[str, object]]


class Unfetched(Exception):
    """The key set could not be had; the text says why."""


NOWHERE = ("", 0)  # a service of the mesh none of whose pods is ready


class KeySets:
    """Keeps the key sets of all `jwksUri`s of a configuration; `changed` is called when one differs."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        changed: Callable[[], None],
        report: Callable[[str], None],
        kept: KeptKeys,
    ) -> None:
        self.texts: dict[str, str] = {}
        self._registry = registry
        self._changed = changed
        self._report = report
        self._kept = kept
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._seen: dict[str, tuple[str, int] | None] = {}
        self._asked: set[str] = set()
        self._timeouts_s: Mapping[str, float] = {}

    def want(self, config: Config) -> None:
        """Fetch what the configuration names, forget what it names no more, notice moved endpoints."""
        self._timeouts_s = wanted = timeouts_s(config)
        for uri in self._tasks.keys() - wanted.keys():
            self._tasks.pop(uri).cancel()
            self.texts.pop(uri, None)
        for uri in wanted:
            place = located(uri, self._registry())
            if uri not in self._tasks:
                self._recall(uri)
                self._wake[uri] = asyncio.Event()
                self._tasks[uri] = asyncio.create_task(self._keep(uri), name=f"jwks {uri}")
            elif place != self._seen.get(uri):
                self._wake[uri].set()
            self._seen[uri] = place

    def _recall(self, uri: str) -> None:
        with contextlib.suppress(Unfetched):  # it was good for another version of the mesh
            if (text := self._kept.get(uri)) is not None:
                self.texts[uri] = checked(text.encode())

    def unasked(self) -> list[str]:
        """Key sets of services of the mesh that were not asked for yet with a pod there to answer."""
        registry = self._registry()
        waiting = self._tasks.keys() - self._asked
        return sorted(uri for uri in waiting if located(uri, registry) not in (None, NOWHERE))

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, uri: str) -> None:
        retry_s = RETRY_FIRST_S
        said = ""
        while True:
            self._wake[uri].clear()
            try:
                text = await self._fetch(uri)
            except Unfetched as error:
                if located(uri, self._registry()) != NOWHERE:
                    self._asked_now(uri)
                if str(error) != said:
                    said = str(error)
                    self._report(f"keys of {uri}: {said}; trying again")
                pause_s, retry_s = retry_s, min(retry_s * 2, RETRY_LIMIT_S)
            else:
                pause_s, retry_s, said = REFRESH_S * random.uniform(0.9, 1.0), RETRY_FIRST_S, ""  # noqa: S311
                self._kept.put(uri, text)
                if self.texts.get(uri) != text:
                    self.texts[uri] = text
                    self._changed()
                self._asked_now(uri)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake[uri].wait(), pause_s)

    def _asked_now(self, uri: str) -> None:
        if uri not in self._asked:
            self._asked.add(uri)
            self._changed()

    async def _fetch(self, uri: str) -> str:
        parts = urlsplit(uri)
        place = located(uri, self._registry())
        inside = place is not None
        if place == NOWHERE:
            raise Unfetched("no pod of the service is ready")
        if not inside and is_inside(parts.hostname or "", parts.port or 80):
            raise Unfetched("the address leads into a pod, past its sidecar")
        url = parts._replace(netloc=f"{place[0]}:{place[1]}").geturl() if place is not None else uri
        timeout_s = self._timeouts_s.get(uri, TIMEOUT_S)
        headers = {"Host": parts.netloc} if inside else {}
        return await fetched(url, headers, outside=not inside, timeout_s=timeout_s)


async def fetched(
    url: str, headers: Mapping[str, str], *, outside: bool, timeout_s: float = TIMEOUT_S
) -> str:
    """The text of the key set there. Raises Unfetched."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(trust_env=outside, timeout=timeout) as session,
            session.get(url, headers=headers) as answer,
        ):
            if answer.status != 200:
                raise Unfetched(f"answered {answer.status}")
            data = bytearray()
            while len(data) <= MAX_BYTES and (chunk := await answer.content.readany()):
                data += chunk
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Unfetched(str(error) or type(error).__name__) from error
    return checked(bytes(data))


def timeouts_s(config: Config) -> dict[str, float]:
    """Every `jwksUri` that is to be fetched, with the longest time that one of its rules waits."""
    found: dict[str, float] = {}
    for policy in config.of("RequestAuthentication"):
        for rule in policy.spec.get("jwtRules") or []:
            if (uri := rule.get("jwksUri")) and not rule.get("jwks"):
                written = rule.get("timeout")
                found[uri] = max(
                    found.get(uri, 0.0), float(durations.seconds(written)) if written else TIMEOUT_S
                )
    return found


def located(uri: str, registry: Registry) -> tuple[str, int] | None:
    """Address and port of a ready endpoint for a name of the mesh; NOWHERE when none is; None for DNS."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    names = (host, f"{host}.{CLUSTER_DOMAIN}", f"{host}.svc.{CLUSTER_DOMAIN}")
    service = next((found for name in names if (found := registry.service(name))), None)
    if service is None or service.resolution != "STATIC":
        return None
    port = service.port(parts.port or (443 if parts.scheme == "https" else 80))
    if port is not None:
        for endpoint in registry.endpoints_of(service):
            if endpoint.ready and (number := endpoint.target(port)) is not None:
                return endpoint.address, number
    return NOWHERE


def checked(data: bytes) -> str:
    """The text of a key set that Envoy takes. Raises Unfetched."""
    if len(data) > MAX_BYTES:
        raise Unfetched(f"more than {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=_KeySet)
        text = data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unfetched(f"is no key set: {error}") from error
    for index, key in enumerate(found.keys):
        _check_key(key, f"keys[{index}]")
    return text


def _check_key(key: dict[str, object], where: str) -> None:
    """One broken key would make Envoy refuse the listener, and every later change of it."""
    kind = key.get("kty")
    if not isinstance(kind, str):
        raise Unfetched(f"is no key set: {where} has no kty")
    if kind in KEY_TYPES:  # Envoy passes over others
        try:
            _ = import_key(key).raw_value  # type: ignore[arg-type]
        except (JoseError, ValueError, LookupError, TypeError) as error:
            raise Unfetched(f"is no key set: {where}: {str(error) or type(error).__name__}") from error
