"""Spans on their way to a collector: OTLP over HTTP from a thread of its own, bounded in number and time.

Whatever the collector does, who made a span never waits: what cannot be kept is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping

import aiohttp
import msgspec
import structlog
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter

from telemetry.otlp import encode
from telemetry.recording import Recorder, Recording
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

# The proxy on the way must not sample what tells of samples.
UNSAMPLED = "00-00000000000000000000000000000001-0000000000000001-00"
HEADERS = {"content-type": "application/json", TRACEPARENT: UNSAMPLED}

_RETRIED = frozenset((429, 502, 503, 504))

_log = structlog.get_logger(__name__)


class _Partial(msgspec.Struct):
    rejectedSpans: int = 0


class _Answer(msgspec.Struct):
    partialSuccess: _Partial = msgspec.field(default_factory=_Partial)


class NotTaken(Exception):
    """Why a collector did not take spans; `final`: nor ever will."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


def open_recorder(
    endpoint: str, attributes: Mapping[str, str], registry: CollectorRegistry, delay_s: float = DELAY_S
) -> Recorder:
    """What makes spans that are sent to `endpoint` (a base URL, as the standard variable has it).

    `attributes` describe this process. Its `shutdown` sends what is left, for LAST_EXPORT_S at most.
    """
    resource = dict(Resource.create(dict(attributes)).attributes)
    exporting = Exporting(endpoint, resource, registry, delay_s)
    return Recorder(exporting.keep, exporting.shutdown)


class Exporting:
    """Sends every span that it is given, a batch at a time; `resource` describes the process."""

    def __init__(
        self,
        endpoint: str,
        resource: Mapping[str, object],
        registry: CollectorRegistry,
        delay_s: float = DELAY_S,
    ) -> None:
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._resource = resource
        self._delay_s = delay_s
        self._queue: deque[Recording] = deque()
        self._woken = threading.Event()
        self._stopped = False
        self._failing = False
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

    def keep(self, span: Recording) -> None:
        """Take a span that has ended."""
        if self._stopped:
            self.dropped.inc()
            return
        self._queue.append(span)
        waiting = len(self._queue)
        if waiting > MAX_QUEUED_SPANS:
            self.dropped.inc(len(self._take(1)))
        elif waiting >= MAX_QUEUED_SPANS // 2 and not self._woken.is_set():
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

    def _take(self, most: int) -> list[Recording]:
        taken: list[Recording] = []
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
                    runner.run(self._send_all())
        self.dropped.inc(len(self._take(MAX_QUEUED_SPANS)))

    async def _send_all(self) -> None:
        # In the mesh the collector is reached through the sidecar, which the proxy variables name. One
        # connection serves all that waits; kept for longer it might be gone by the next time.
        began = time.monotonic()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1), trust_env=True) as session:
            while self._queue and (not self._stopped or time.monotonic() - began < LAST_EXPORT_S):
                batch = self._take(EXPORT_BATCH)
                try:
                    await self._send(session, batch)
                except Exception as error:
                    # The boundary of the thread: whatever one batch is about, the next one is sent.
                    self._note(error)
                    self.dropped.inc(len(batch))

    async def _send(self, session: aiohttp.ClientSession, batch: list[Recording]) -> None:
        body = encode(batch, self._resource)
        lost = len(batch)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(EXPORT_TIMEOUT_S) as self._timer:
                    if self._stopped:
                        self._hurry()
                    lost = min(max(await self._post(session, body), 0), len(batch))
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
