"""Tracing that costs nothing when a request is not sampled, and never loses the trace id.

The edge decides whether a request is sampled and says so in `traceparent`; the decision is respected. An
unsampled request gets a context but no span: logs and outgoing calls carry its trace id all the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")

# Spans wait here for the exporter; when it cannot keep up, spans are dropped, never requests.
MAX_QUEUED_SPANS = 4_096
EXPORT_BATCH = 512
EXPORT_TIMEOUT_S = 5

_ids = random.Random()  # noqa: S311 - a trace id has to be unlikely, not secret


def current_trace_id() -> str:
    """The trace id of the request being handled: 32 hexadecimal digits; empty outside of one."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.trace_id else ""


def current_traceparent() -> str:
    """The header that an outgoing call carries on; empty outside of a request."""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.trace_id else ""


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Work in the trace that `traceparent` names; in one of its own when it names none."""
    parent = _read(traceparent.encode()) or _new(sampled=False)
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def serving_call(
    name: str, traceparent: str, provider: TracerProvider | None, ratio: float
) -> Iterator[None]:
    """Serve a call that is no HTTP request: as `Tracing`, with a span called `name` when it is sampled."""
    parent = _read(traceparent.encode())
    sampled = parent.trace_flags.sampled if parent else _ids.random() < ratio
    if not sampled or provider is None:
        token = context.attach(trace.set_span_in_context(NonRecordingSpan(parent or _new(sampled))))
        try:
            yield
        finally:
            context.detach(token)
        return
    caller = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else context.Context()
    tracer = provider.get_tracer(__name__)
    with tracer.start_as_current_span(name, caller, kind=trace.SpanKind.SERVER):
        yield


def open_exporter(endpoint: str) -> SpanExporter:
    """An exporter that speaks OTLP over HTTP to `endpoint` (a base URL, as the standard variable has it)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces", timeout=EXPORT_TIMEOUT_S)


def make_provider(exporter: SpanExporter, attributes: dict[str, Any]) -> TracerProvider:
    """A provider that sends to `exporter` in the background; `attributes` describe this process.

    Its sampler follows the parent; a span without one was decided on by `Tracing` before it was begun.
    """
    provider = TracerProvider(
        resource=Resource.create(attributes), sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=MAX_QUEUED_SPANS, max_export_batch_size=EXPORT_BATCH)
    )
    return provider


class Tracing:
    """ASGI: gives every request a trace context, and a span only when it is sampled and goes somewhere.

    `provider` None: no spans. `ratio`: the share of requests without a traceparent that are sampled.
    `untraced`: paths that never get a span (probes).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        provider: TracerProvider | None,
        ratio: float,
        untraced: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.ratio = ratio
        self.untraced = frozenset(untraced)
        self.traced = None if provider is None else _traced(app, provider)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parent = _parent(scope)
        sampled = parent.trace_flags.sampled if parent else _ids.random() < self.ratio
        if sampled and self.traced is not None and scope["path"] not in self.untraced:
            await self.traced(scope, receive, send)
            return
        token = context.attach(trace.set_span_in_context(NonRecordingSpan(parent or _new(sampled))))
        try:
            await self.app(scope, receive, send)
        finally:
            context.detach(token)


def _traced(app: ASGIApp, provider: TracerProvider) -> ASGIApp:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        span = trace.get_current_span()
        scope["query_string"] = scope.pop("unrecorded_query")

        async def name_span(message: Message) -> None:
            # Known after routing, and too late at the end: the span ends with the response's last part.
            # The raw path would make a name of its own for every id.
            route = getattr(scope.get("route"), "path_format", None)
            if message["type"] == "http.response.start" and route is not None:
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
            await send(message)

        await app(scope, receive, name_span)

    traced: ASGIApp = OpenTelemetryMiddleware(
        named, tracer_provider=provider, exclude_spans=["receive", "send"]
    )

    async def without_query(scope: Scope, receive: Receive, send: Send) -> None:
        # Programs send their token in it, people what they look for: neither belongs into a span.
        hidden = {**scope, "query_string": b"", "unrecorded_query": scope["query_string"]}
        await traced(hidden, receive, send)

    return without_query


def _parent(scope: Scope) -> SpanContext | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return _read(value)
    return None


def _read(traceparent: bytes) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))


def _new(sampled: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(
        _ids.getrandbits(128) or 1, _ids.getrandbits(64) or 1, is_remote=False, trace_flags=flags
    )
