"""What a process holds open while it serves: opened in order, pinged for readiness, closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import structlog
from prometheus_client import CollectorRegistry

from services.kit.auth import Verifier
from services.kit.db import Database
from services.kit.http import HttpClient
from services.kit.live.settings import Live
from services.kit.settings import InvalidSettings, ServiceSettings
from telemetry.recording import Recorder

T = TypeVar("T")
Ping = Callable[[], Awaitable[object]]

# Below the probe's own timeout (2 s), so that the answer names the resource that hangs.
PING_TIMEOUT_S = 1.5

_log = structlog.get_logger(__name__)


class Resources:
    """Given to a service's `open_deps`: what the kit has opened, and where the service opens its own.

    `http` calls peers; `database` is there when DATABASE_URL is set; `registry` takes the service's metrics.
    `live` has the settings in force, also those that change while the process runs.
    `draining` is set when the process was told to stop; `recorder` makes spans, None when they go nowhere.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        recorder: Recorder | None = None,
        settings: ServiceSettings | None = None,
    ) -> None:
        self.registry = registry
        self.live: Live[Any] = Live(settings or ServiceSettings(), registry)
        self.recorder = recorder
        self.draining = asyncio.Event()
        self._verifier: Verifier | None = None
        self._pings: dict[str, Ping] = {}
        self._stack = AsyncExitStack()
        self._database: Database | None = None
        self._http: HttpClient | None = None

    async def enter(
        self, name: str, resource: AbstractAsyncContextManager[T], *, ping: Ping | None = None
    ) -> T:
        """Open `resource` until the process stops; `ping` raises while it cannot be used."""
        opened = await self._stack.enter_async_context(resource)
        if isinstance(opened, Database):
            self._database = opened
            ping = ping or opened.ping
        if isinstance(opened, HttpClient):
            self._http = opened
        if ping is not None:
            self._pings[name] = ping
        return opened

    def watch(self, name: str, ping: Ping) -> None:
        """Be ready only while `ping` does not raise."""
        self._pings[name] = ping

    @property
    def database(self) -> Database:
        """The service's database; InvalidSettings when nobody said where it is."""
        if self._database is None:
            raise InvalidSettings("DATABASE_URL is missing")
        return self._database

    @property
    def http(self) -> HttpClient:
        """The client for calls to peers."""
        if self._http is None:
            raise LookupError("the client is not open yet")
        return self._http

    @property
    def verifier(self) -> Verifier:
        """What checks access tokens, by the keys at JWKS_URL."""
        if self._verifier is None:
            raise LookupError("this service has the keys of access tokens itself")
        return self._verifier

    @verifier.setter
    def verifier(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def ping(self) -> Mapping[str, str]:
        """Every resource with `ok`, or what is wrong with it (the error's name); all asked at once."""
        names = list(self._pings)
        states = await asyncio.gather(*(self._state(name) for name in names))
        return dict(zip(names, states, strict=True))

    async def close(self) -> None:
        await self._stack.aclose()

    async def _state(self, name: str) -> str:
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await self._pings[name]()
        except Exception as error:
            # Any failure of any resource means the same here: not ready. The log has the reason.
            _log.warning("not ready", resource=name, error=repr(error))
            return type(error).__name__
        return "ok"
