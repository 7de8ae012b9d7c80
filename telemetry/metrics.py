"""Rate, errors and duration of every route, with the label look-up done once per route and status."""

from __future__ import annotations

import asyncio
import time

from opentelemetry import trace
from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry import serving
from telemetry.clock import tell_time

# Seconds. A list of 20 links takes 2 ms, an argon2 hash 50 ms, the deadline is 10 s: ratios of about 2.5
# put every one of them between two bounds of its own.
DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def make_registry() -> CollectorRegistry:
    """A registry of this process: CPU, memory, descriptors, garbage collection, Python's version."""
    # Prometheus sees a restart by the fall of a counter; `x_created` would be a series more for each.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(GC_COLLECTOR)
    registry.register(PLATFORM_COLLECTOR)
    tell_time(registry)
    return registry


def describe_build(registry: CollectorRegistry, service: str, version: str) -> None:
    """Say which program this is; always 1, to be joined with other metrics."""
    labels = ("service", "version")
    build = Gauge("build_info", "The program that is measured; always 1.", labels, registry=registry)
    build.labels(service, version).set(1)


def exemplar() -> dict[str, str] | None:
    """The trace of the work at hand, when it is one that is kept: what a slow bucket is to point to."""
    span = trace.get_current_span().get_span_context()
    if not span.trace_flags.sampled:
        return None
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


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
        child.observe(duration_s, exemplar())


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
        child.observe(duration_s, exemplar())


class Measuring:
    """ASGI: records every request once, when its response has ended."""

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = serving.GONE_STATUS

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = serving.status(scope, message)
            await send(message)

        begun = time.perf_counter()
        self.metrics.active.inc()
        token = serving.begin(scope)
        try:
            await self.app(scope, receive, watch)
        finally:
            serving.end(token)
            self.metrics.active.dec()
            duration_s = time.perf_counter() - begun
            self.metrics.observe(serving.method(scope), serving.route(scope), status, duration_s)


class Exposition:
    """ASGI: `GET /metrics` in Prometheus' text format, or, where accepted, with exemplars in OpenMetrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics" or scope["method"] not in ("GET", "HEAD"):
            await Response(status_code=404)(scope, receive, send)
            return
        encode, media_type = choose_encoder(Headers(scope=scope).get("accept", ""))
        # It takes milliseconds, which the requests of the same loop would wait for.
        text = await asyncio.to_thread(encode, self.registry)
        await Response(text, headers={"content-type": media_type})(scope, receive, send)
