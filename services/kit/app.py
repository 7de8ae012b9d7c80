"""The application factory: a table of endpoints and what opens their dependencies, made one ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.auth import FetchKeys, Verifier
from services.kit.db import open_pool
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import MethodNotAllowed, ProblemResponses, as_problem
from services.kit.http import open_client
from services.kit.resources import Resources
from services.kit.serving import openapi
from services.kit.serving.admission import Admission
from services.kit.serving.arguments import routed
from services.kit.serving.drain import Draining
from services.kit.serving.health import CONFIG, LIVE, READY, health_routes
from services.kit.serving.operation import Operation, Running
from services.kit.serving.turns import Turns
from services.kit.settings import InvalidSettings, ServiceSettings
from telemetry import levels
from telemetry.export import open_recorder
from telemetry.instrumentation.http import Tracing
from telemetry.logs import RequestLog
from telemetry.metrics import HttpMetrics, Measuring, describe_build, make_registry
from telemetry.recording import Recorder

Deps = TypeVar("Deps")


@dataclass
class Kit:
    """What `run` needs of an application, found at `app.state.kit`."""

    running: Running
    resources: Resources
    listeners: dict[int, ASGIApp] = field(default_factory=dict)

    @property
    def registry(self) -> CollectorRegistry:
        return self.resources.registry


def create_app(
    *,
    service: str,
    version: str,
    endpoints: Sequence[Endpoint],
    open_deps: Callable[[Resources], Awaitable[Deps]],
    settings: ServiceSettings,
    listeners: Mapping[int, Sequence[Endpoint]] | None = None,
    pages: Sequence[BaseRoute] = (),
    described_at: str = openapi.PATH,
    fetch_keys: Callable[[Deps], Awaitable[bytes]] | None = None,
) -> Starlette:
    """The application of a service.

    `version` is the interface's. `open_deps` builds the one object that handlers get first, from resources
    that are open already (`resources.database`, `resources.http`) and those it opens itself.
    `listeners`: further ports of this process with tables of their own. `pages`: routes that are no typed
    endpoints (HTML, streams); they find the deps at `request.app.state.kit.running.deps`. `described_at`: the
    path of the OpenAPI description. `fetch_keys`: where the keys of access tokens come from when not from
    JWKS_URL. Raises InvalidSettings for what is missing, TypeError for a handler that could not be served.
    """
    _require(endpoints, settings, known_keys=fetch_keys is not None)
    registry = make_registry()
    describe_build(registry, service, settings.service_version)
    recorder = _recorder(service, settings, registry)
    resources = Resources(registry, recorder, settings)
    metrics = HttpMetrics(resources.registry)
    # Half of the places at most are one caller's.
    turns = Turns(most=_turns(settings))
    running = Running(_admission(settings, metrics), turns, service_token=settings.service_token)
    resources.live.follow(partial(_obey, running))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _opened(resources, settings, recorder):
            running.database = resources.database if settings.database_url else None
            if fetch_keys is None:
                running.verifier = resources.verifier = _verifier(settings, resources)
            running.deps = deps = await open_deps(resources)
            if fetch_keys is not None:
                running.verifier = _verifier(settings, resources, partial(fetch_keys, deps))
            yield

    middleware = _middleware(settings, metrics, resources, running)
    public = [endpoint for endpoint in endpoints if endpoint.access is not Access.INTERNAL]
    description = msgspec.json.encode(openapi.describe(service, version, public))
    routes = [
        *health_routes(running, resources),
        openapi.route(description, described_at),
        *_routes(endpoints, running),
        *pages,
    ]
    app = _starlette(routes, middleware, lifespan)
    app.state.kit = Kit(running, resources)
    for port, table in (listeners or {}).items():
        app.state.kit.listeners[port] = _starlette(_routes(table, running), middleware, None)
    return app


@asynccontextmanager
async def _opened(
    resources: Resources, settings: ServiceSettings, recorder: Recorder | None
) -> AsyncIterator[None]:
    try:
        await resources.enter("http", open_client(resources.registry))
        if settings.database_url:
            await resources.enter("database", open_pool(settings, resources.registry))
        yield
    finally:
        await resources.close()
        if recorder is not None:
            # It sends what is left, over the network.
            await asyncio.to_thread(recorder.shutdown)


def _starlette(routes: Sequence[BaseRoute], middleware: Sequence[Middleware], lifespan: Any) -> Starlette:
    app = Starlette(
        routes=routes,
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={HTTPException: as_problem},
    )
    # One address per thing: `/links/` is not `/links`.
    app.router.redirect_slashes = False
    return app


def _turns(settings: ServiceSettings) -> int:
    return max(1, settings.max_concurrency // 2)


def _obey(running: Running, before: ServiceSettings, after: ServiceSettings) -> None:
    """What of a changed configuration is the kit's."""
    running.admission.resize(
        capacity=after.max_concurrency, queue=after.max_queue, timeout_s=after.queue_timeout_s
    )
    running.turns.most = _turns(after)
    if after.log_level != before.log_level:
        levels.change(after.log_level, "the runtime configuration")


def _middleware(
    settings: ServiceSettings, metrics: HttpMetrics, resources: Resources, running: Running
) -> list[Middleware]:
    live, unwatched = resources.live, (LIVE, READY, CONFIG)

    def ratio() -> float:
        now: ServiceSettings = live.now
        return now.trace_ratio

    telemetry = [
        Middleware(Tracing, recorder=resources.recorder, ratio=ratio, untraced=unwatched),
        Middleware(Measuring, metrics=metrics),
    ]
    return [
        *([] if settings.otel_sdk_disabled else telemetry),
        *([Middleware(RequestLog)] if settings.log_requests else []),
        Middleware(Draining, running=running),
        Middleware(ProblemResponses),
    ]


def _routes(endpoints: Sequence[Endpoint], running: Running) -> list[Route]:
    """One route per path, so that a 405 knows every method of it."""
    by_path: dict[str, dict[str, Operation]] = {}
    for endpoint in endpoints:
        methods = by_path.setdefault(endpoint.path, {})
        if endpoint.method in methods:
            raise TypeError(f"{endpoint.method} {endpoint.path} is there twice")
        methods[endpoint.method] = Operation(endpoint, running)
    return [Route(routed(path), _Methods(methods)) for path, methods in by_path.items()]


class _Methods:
    """ASGI: the operations of one path."""

    def __init__(self, operations: dict[str, Operation]) -> None:
        self._operations = dict(operations)
        if "GET" in operations:
            self._operations.setdefault("HEAD", operations["GET"])
        self._allow = ", ".join(sorted(self._operations))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._operations.get(scope["method"])
        if operation is None:
            raise MethodNotAllowed(headers={"allow": self._allow})
        await operation(scope, receive, send)


def _admission(settings: ServiceSettings, metrics: HttpMetrics) -> Admission:
    return Admission(
        capacity=settings.max_concurrency,
        queue=settings.max_queue,
        timeout_s=settings.queue_timeout_s,
        shed=metrics.shed,
    )


def _recorder(service: str, settings: ServiceSettings, registry: CollectorRegistry) -> Recorder | None:
    endpoint = settings.otel_exporter_otlp_endpoint
    if not endpoint or settings.otel_sdk_disabled:
        return None
    attributes = {"service.name": service, "service.version": settings.service_version}
    return open_recorder(endpoint, attributes, registry)


def _require(endpoints: Sequence[Endpoint], settings: ServiceSettings, *, known_keys: bool) -> None:
    """Without an issuer no token could be refused, without a database no key be remembered: do not start."""
    needed: dict[str, object] = {}
    if any(endpoint.access in (Access.READ, Access.WRITE) for endpoint in endpoints):
        needed = {"JWKS_URL": known_keys or settings.jwks_url}
        needed |= {"ISSUER": settings.issuer, "AUDIENCE": settings.audience}
    if any(endpoint.access is Access.INTERNAL for endpoint in endpoints):
        needed["SERVICE_TOKEN"] = settings.service_token
    if any(endpoint.takes_key for endpoint in endpoints):
        needed["DATABASE_URL"] = settings.database_url
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise InvalidSettings("; ".join(f"{name} is missing" for name in missing))


def _verifier(
    settings: ServiceSettings,
    resources: Resources,
    fetch: FetchKeys | None = None,
) -> Verifier:
    async def from_url() -> bytes:
        return (await resources.http.request("GET", settings.jwks_url)).content

    failures = Counter(
        "auth_key_refresh_failures",
        "Times the keys of access tokens could not be had.",
        registry=resources.registry,
    )
    return Verifier(fetch or from_url, issuer=settings.issuer, audience=settings.audience, failures=failures)
