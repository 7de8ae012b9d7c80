"""Spans on their way to a collector: OTLP over HTTP from a thread of its own, bounded in number and time.

Whatever the collector does, who made a span never waits: what cannot be kept is dropped and counted. Encoded
as OTLP's JSON by msgspec, which takes a quarter of the time of the stock exporter's messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import INVALID_SPAN_CONTEXT, format_span_id, format_trace_id
from prometheus_client import CollectorRegistry, Counter

from telemetry.traces import TRACEPARENT

# Spans wait here for the collector; when it cannot keep up the oldest are dropped, never requests.
MAX_QUEUED_SPANS = 4_096
# Encoded at once: a millisecond or two, for which the loop of the requests may have to wait.
EXPORT_BATCH = 256
# A trace is looked at right after its request: soon enough for that, seldom enough to cost nothing.
DELAY_S = 0.5
EXPORT_TIMEOUT_S = 5.0
# A collector that restarts is back within a second or two; after that what waits is dropped.
ATTEMPTS = 3
BACKOFF_S = 1.0
# A process that stops has so long for what is left: well within the time that it is given to stop.
LAST_EXPORT_S = 2.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_ATTRIBUTES = 48
MAX_ATTRIBUTE_CHARACTERS = 4_096

# The proxy on the way must not sample what tells of samples.
UNSAMPLED = "00-00000000000000000000000000000001-0000000000000001-00"
HEADERS = {"content-type": "application/json", TRACEPARENT: UNSAMPLED}

_RETRIED = frozenset((429, 502, 503, 504))

_log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


class _Partial(msgspec.Struct):
    rejectedSpans: int = 0


class _Answer(msgspec.Struct):
    partialSuccess: _Partial = msgspec.field(default_factory=_Partial)


class NotTaken(Exception):
    """Why a collector did not take spans; `final`: nor ever will."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


def open_provider(
    endpoint: str, attributes: Mapping[str, str], registry: CollectorRegistry, delay_s: float = DELAY_S
) -> TracerProvider:
    """A provider that sends to `endpoint` (a base URL, as the standard variable has it) in the background.

    `attributes` describe this process. Whether there is to be a span is decided on before it is begun.
    `shutdown` sends what is left, for LAST_EXPORT_S at most; it blocks.
    """
    resource = Resource.create(dict(attributes))
    provider = TracerProvider(
        resource=resource,
        sampler=ALWAYS_ON,
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=MAX_ATTRIBUTES, max_span_attribute_length=MAX_ATTRIBUTE_CHARACTERS
        ),
    )
    provider.add_span_processor(Exporting(endpoint, registry, delay_s))
    return provider


class Exporting(SpanProcessor):
    """Sends every span that ends, a batch at a time."""

    def __init__(self, endpoint: str, registry: CollectorRegistry, delay_s: float = DELAY_S) -> None:
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._delay_s = delay_s
        self._queue: deque[ReadableSpan] = deque()
        self._woken = threading.Event()
        self._stopped = False
        self._failing = False
        self._sending = False
        self._stopping = asyncio.Event()
        self._timer: asyncio.Timeout | None = None
        self.exported = Counter(
            "telemetry_spans_exported", "Spans that the collector has taken.", registry=registry
        )
        self.dropped = Counter(
            "telemetry_spans_dropped", "Spans that got lost on the way.", registry=registry
        )
        self._loop = asyncio.new_event_loop()
        # A daemon: nothing that a collector does may keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="span export", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: a span is sent when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        if self._stopped:
            self.dropped.inc()
            return
        self._queue.append(span)
        waiting = len(self._queue)
        if waiting > MAX_QUEUED_SPANS:
            self.dropped.inc(len(self._take(1)))
        elif waiting >= EXPORT_BATCH and not self._woken.is_set():
            self._woken.set()

    def shutdown(self) -> None:
        """Send what is left, as far as the collector takes it in time."""
        if self._stopped:
            return
        self._stopped = True
        self._woken.set()
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._hurry)
        self._thread.join(LAST_EXPORT_S + 1.0)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until all that has ended was taken or lost."""
        until = time.monotonic() + timeout_millis / 1_000
        while (busy := self._queue or self._sending) and time.monotonic() < until:
            self._woken.set()
            time.sleep(0.01)
        return not busy

    def _take(self, most: int) -> list[ReadableSpan]:
        taken: list[ReadableSpan] = []
        # Two threads take: what was there a moment ago need not be.
        with contextlib.suppress(IndexError):
            while len(taken) < most:
                taken.append(self._queue.popleft())
        return taken

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._stopped:
                self._woken.wait(self._delay_s)
                self._woken.clear()
                if self._queue:
                    self._sending = True
                    runner.run(self._send_all())
                    self._sending = False
        self.dropped.inc(len(self._take(MAX_QUEUED_SPANS)))

    async def _send_all(self) -> None:
        # In the mesh the collector is reached through the sidecar, which the proxy variables name. A kept
        # connection might be gone by the next time.
        connector = aiohttp.TCPConnector(force_close=True)
        began = time.monotonic()
        async with aiohttp.ClientSession(connector=connector, trust_env=True) as session:
            while self._queue and (not self._stopped or time.monotonic() - began < LAST_EXPORT_S):
                await self._send(session, self._take(EXPORT_BATCH))

    async def _send(self, session: aiohttp.ClientSession, batch: list[ReadableSpan]) -> None:
        body = encode(batch)
        lost = len(batch)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(EXPORT_TIMEOUT_S) as self._timer:
                    if self._stopped:
                        self._hurry()
                    lost = await self._post(session, body)
            except (NotTaken, aiohttp.ClientError, OSError, TimeoutError) as error:
                self._note(error)
                if self._stopped or (isinstance(error, NotTaken) and error.final):
                    break
                if attempt < ATTEMPTS:
                    await self._pause(BACKOFF_S * attempt)
            else:
                self._note(None)
                self.exported.inc(len(batch) - lost)
                break
        self.dropped.inc(lost)

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> int:
        """How many of the spans the collector refused; raises NotTaken when it took none."""
        async with session.post(self._url, data=body, headers=HEADERS) as response:
            if response.status >= 300:
                final = response.status not in _RETRIED
                raise NotTaken(f"the collector answered {response.status}", final=final)
            said = await response.content.read(MAX_ANSWER_BYTES)
            try:
                refused = msgspec.json.decode(said, type=_Answer, strict=False).partialSuccess.rejectedSpans
            except msgspec.MsgspecError:
                # Another collector's idea of a success.
                return 0
            return refused

    def _hurry(self) -> None:
        """What is on its way has so long from now on."""
        self._stopping.set()
        if self._timer is not None and not self._timer.expired():
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._timer.reschedule(asyncio.get_running_loop().time() + LAST_EXPORT_S)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the process is about to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _note(self, error: Exception | None) -> None:
        """Say once that it fails, and once that it works again."""
        if error is not None and not self._failing:
            reason = str(error) or type(error).__name__
            _log.warning("spans cannot be sent", collector=self._url, error=reason)
        if error is None and self._failing:
            _log.info("spans are sent again", collector=self._url)
        self._failing = error is not None


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Spans of one process as OTLP's JSON; at least one."""
    by_scope: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        scope = span.instrumentation_scope
        by_scope.setdefault(scope.name if scope else "", []).append(_span(span))
    resource = {"attributes": _attributes(spans[0].resource.attributes)}
    scopes = [{"scope": {"name": name}, "spans": made} for name, made in by_scope.items()]
    return _encoder.encode({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]})


def _span(span: ReadableSpan) -> dict[str, Any]:
    own = span.get_span_context() or INVALID_SPAN_CONTEXT
    made: dict[str, Any] = {
        "traceId": format_trace_id(own.trace_id),
        "spanId": format_span_id(own.span_id),
        "name": span.name,
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status.status_code.value},
    }
    if span.parent is not None:
        made["parentSpanId"] = format_span_id(span.parent.span_id)
    if span.links:
        made["links"] = [
            {
                "traceId": format_trace_id(link.context.trace_id),
                "spanId": format_span_id(link.context.span_id),
            }
            for link in span.links
        ]
    if span.events:
        made["events"] = [
            {
                "name": event.name,
                "timeUnixNano": str(event.timestamp),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    return made


def _attributes(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}
