"""Spans on their way to collectors that work, are dead, slow, hang or refuse; over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from telemetry import export
from telemetry.export import open_recorder
from telemetry.instrumentation.http import Tracing
from telemetry.recording import Recorder
from telemetry.traces import inside
from tests.collector import collecting, never, status, taken

pytestmark = pytest.mark.anyio

WITHIN_S = 30.0


@dataclass
class Traced:
    """An application whose every request is sampled, and what became of its spans."""

    recorder: Recorder
    registry: CollectorRegistry

    def count(self, name: str) -> float:
        return self.registry.get_sample_value(f"telemetry_spans_{name}_total") or 0.0

    async def requests(self, number: int) -> None:
        """Ask that often, one after the other; each answer must be there."""

        async def thing(request: Request) -> PlainTextResponse:
            with inside("part"):
                return PlainTextResponse("there")

        traced = Middleware(Tracing, recorder=self.recorder, ratio=1.0)
        app = Starlette(routes=[Route("/things", thing)], middleware=[traced])
        for _ in range(number):
            assert await ask(app) == b"there"

    async def shut_down(self) -> float:
        """End it; how many seconds that took."""
        began = time.monotonic()
        await asyncio.to_thread(self.recorder.shutdown)
        return time.monotonic() - began


async def ask(app: Starlette) -> bytes:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/things", "headers": []}
    scope |= {"query_string": b"", "scheme": "http", "http_version": "1.1", "server": ("s", 80)}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


@asynccontextmanager
async def tracing(url: str, delay_s: float = 0.05) -> AsyncIterator[Traced]:
    registry = CollectorRegistry()
    recorder = open_recorder(url, {"service.name": "sample"}, registry, delay_s)
    try:
        yield Traced(recorder, registry)
    finally:
        await asyncio.to_thread(recorder.shutdown)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - another thread's work
            await asyncio.sleep(0.01)


async def test_spans_arrive_as_they_are() -> None:
    async with collecting(taken) as collector, tracing(collector.url) as traced:
        await traced.requests(2)
        await until(lambda: traced.count("exported") == 4)
        assert len({span.trace_id for span in collector.spans}) == 2
        outer = [span for span in collector.spans if span.kind == "server"]
        inner = [span for span in collector.spans if span.kind == "internal"]
        assert {span.parent_id for span in inner} == {span.span_id for span in outer}
        assert outer[0].service == "sample"
        assert outer[0].attributes["http.response.status_code"] == 200
        assert outer[0].start_ns <= inner[0].start_ns <= inner[0].end_ns <= outer[0].end_ns
        assert traced.count("dropped") == 0


async def test_what_is_left_is_sent_before_the_end_however_long_the_pause() -> None:
    async with collecting(taken) as collector, tracing(collector.url, delay_s=3_600) as traced:
        await traced.requests(3)
        await traced.shut_down()
        assert (len(collector.spans), traced.count("exported"), traced.count("dropped")) == (6, 6, 0)


async def test_a_dead_collector_costs_spans_and_no_request(free_port: Callable[[], int]) -> None:
    async with tracing(f"http://127.0.0.1:{free_port()}") as traced:
        await traced.requests(50)
        await traced.shut_down()
        assert (traced.count("exported"), traced.count("dropped")) == (0, 100)
        # Whoever still works meanwhile is not hindered either.
        await traced.requests(1)
        assert traced.count("dropped") == 102


async def test_a_collector_that_comes_back_gets_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BACKOFF_S", 0.01)
    async with collecting(status(503)) as collector, tracing(collector.url) as traced:
        await traced.requests(1)
        await until(lambda: collector.asked > 0)
        collector.answer = taken
        await traced.requests(1)
        await until(lambda: traced.count("exported") + traced.count("dropped") == 4)
        assert traced.count("exported") >= 2


async def test_a_slow_collector_gets_what_it_can_take_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "MAX_QUEUED_SPANS", 20)
    monkeypatch.setattr(export, "EXPORT_BATCH", 10)
    told = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await told.wait()
        await taken(writer)

    async with collecting(late) as collector, tracing(collector.url) as traced:
        # All are answered before the collector has answered once.
        await traced.requests(5)
        await until(lambda: collector.asked == 1)
        await traced.requests(50)
        assert traced.count("exported") == 0
        assert traced.count("dropped") >= 100 - 20
        told.set()
        await until(lambda: traced.count("exported") + traced.count("dropped") == 110)
        assert traced.count("exported") == len(collector.spans) <= 30


async def test_a_hanging_collector_holds_up_neither_requests_nor_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "MAX_QUEUED_SPANS", 20)
    monkeypatch.setattr(export, "LAST_EXPORT_S", 0.5)
    async with collecting(never) as collector, tracing(collector.url) as traced:
        await traced.requests(5)
        await until(lambda: collector.asked == 1)
        await traced.requests(50)
        assert await traced.shut_down() < export.EXPORT_TIMEOUT_S
        assert (traced.count("exported"), traced.count("dropped")) == (0, 110)


async def test_a_hanging_collector_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EXPORT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(export, "BACKOFF_S", 0.01)
    async with collecting(never) as collector, tracing(collector.url) as traced:
        await traced.requests(1)
        await until(lambda: traced.count("dropped") == 2)
        assert collector.asked == export.ATTEMPTS


async def test_what_a_collector_will_never_take_is_sent_once() -> None:
    async with collecting(status(400)) as collector, tracing(collector.url) as traced:
        await traced.requests(1)
        await until(lambda: traced.count("dropped") == 2)
        assert collector.asked == 1


@pytest.mark.parametrize("refused", [b'"5"', b"-3", b"99999999999999999999999"])
async def test_an_odd_number_of_refused_spans_ends_nothing(refused: bytes) -> None:
    odd = status(200, b'{"partialSuccess": {"rejectedSpans": ' + refused + b"}}")
    async with collecting(odd) as collector, tracing(collector.url) as traced:
        await traced.requests(1)
        await until(lambda: traced.count("dropped") + traced.count("exported") == 2)
        collector.answer = taken
        await traced.requests(1)
        await until(lambda: traced.count("dropped") + traced.count("exported") == 4)
        assert traced.count("exported") >= 2


async def test_an_attribute_that_cannot_be_sent_costs_one_batch_at_most() -> None:
    async with collecting(taken) as collector, tracing(collector.url) as traced:
        for value in ("a\udce9b", 10**5_000):
            span = traced.recorder.begin("odd", None, SpanKind.INTERNAL, {"x": value})
            span.end()
        await until(lambda: traced.count("exported") + traced.count("dropped") == 2)
        await traced.requests(1)
        await until(lambda: traced.count("exported") >= 2)
        assert traced.count("exported") + traced.count("dropped") == 4


async def test_spans_that_a_collector_refuses_are_counted() -> None:
    partly = status(200, b'{"partialSuccess": {"rejectedSpans": "1"}}')
    async with collecting(partly) as collector, tracing(collector.url) as traced:
        await traced.requests(1)
        await until(lambda: traced.count("dropped") == 1)
        assert traced.count("exported") == 1
