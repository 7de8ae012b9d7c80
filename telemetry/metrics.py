"""Rate, errors and duration of every route, with the label look-up done once per route and status."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Seconds. A list of 20 links takes 2 ms, an argon2 hash 50 ms, the deadline is 10 s: ratios of about 2.5
# put every one of them between two bounds of its own.
DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

UNROUTED = "(none)"


def make_registry() -> CollectorRegistry:
    """A registry of this process: CPU, memory, descriptors, garbage collection, Python's version."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(GC_COLLECTOR)
    registry.register(PLATFORM_COLLECTOR)
    return registry


class HttpMetrics:
    """The RED metrics of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Time from a request's head to the end of its response, by route template.",
            ("method", "route", "status"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.active = Gauge("http_server_active_requests", "Requests being answered now.", registry=registry)
        self.shed = Counter(
            "http_server_shed_requests", "Requests answered 503 to stay within capacity.", registry=registry
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._duration.labels(method, route, str(status))
        child.observe(duration_s)


class RpcMetrics:
    """The RED metrics of one gRPC server; only methods of its table are counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "rpc_server_duration_seconds",
            "Time from a call's head to its end, by method and status code.",
            ("method", "code"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.shed = Counter(
            "rpc_server_shed_calls", "Calls answered UNAVAILABLE to stay within capacity.", registry=registry
        )
        self._children: dict[tuple[str, str], Histogram] = {}

    def observe(self, method: str, code: str, duration_s: float) -> None:
        child = self._children.get((method, code))
        if child is None:
            child = self._children[method, code] = self._duration.labels(method, code)
        child.observe(duration_s)


KNOWN_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Measuring:
    """ASGI: records every request once, when its response has ended."""

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A client that goes away before the head of the response is counted as 499, as proxies do.
        status = 499

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.perf_counter()
        self.metrics.active.inc()
        try:
            await self.app(scope, receive, watch)
        finally:
            self.metrics.active.dec()
            # Only what is in the table of routes may become a label, or any client could fill the memory.
            method = scope["method"] if scope["method"] in KNOWN_METHODS else "OTHER"
            route = getattr(scope.get("route"), "path_format", UNROUTED)
            self.metrics.observe(method, route, status, time.perf_counter() - begun)


class Exposition:
    """ASGI: `GET /metrics` in Prometheus' text format; anything else is a 404."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics" or scope["method"] not in ("GET", "HEAD"):
            await Response(status_code=404)(scope, receive, send)
            return
        # It takes milliseconds, which the requests of the same loop would wait for.
        text = await asyncio.to_thread(generate_latest, self.registry)
        await Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)(scope, receive, send)
