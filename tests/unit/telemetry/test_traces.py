"""Trace contexts and spans, with an exporter that keeps them."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from telemetry.traces import Tracing, current_trace_id, current_traceparent

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


async def thing(request: Request) -> PlainTextResponse:
    return PlainTextResponse(current_traceparent())


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def traced(provider: TracerProvider | None, ratio: float = 0.0) -> ASGIApp:
    middleware = Middleware(Tracing, provider=provider, ratio=ratio, untraced=("/live",))
    return Starlette(routes=[Route("/things/{id}", thing), Route("/live", thing)], middleware=[middleware])


async def get(app: ASGIApp, path: str, traceparent: str | None = None, query: bytes = b"") -> str:
    """The traceparent that the handler of `path` would pass on."""
    headers = [] if traceparent is None else [(b"traceparent", traceparent.encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": headers}
    scope |= {"query_string": query, "scheme": "http", "http_version": "1.1", "server": ("s", 80)}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent).decode()


async def test_an_unsampled_request_makes_no_span_and_carries_its_context_on(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    parent = f"00-{TRACE}-{SPAN}-00"
    assert await get(traced(provider, ratio=1), "/things/7", parent) == parent
    assert exporter.get_finished_spans() == ()
    assert current_trace_id() == ""


async def test_a_sampled_request_makes_one_span_named_by_its_route_under_its_parent(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    onward = await get(traced(provider), "/things/7", f"00-{TRACE}-{SPAN}-01")
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /things/{id}"
    assert span.attributes is not None
    assert span.attributes["http.route"] == "/things/{id}"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.context is not None
    assert onward.startswith(f"00-{TRACE}-{span.context.span_id:016x}-")


async def test_a_query_is_for_the_handler_and_for_no_span(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    seen = []

    async def queried(request: Request) -> PlainTextResponse:
        seen.append(request.query_params["token"])
        return PlainTextResponse("")

    app = Starlette(
        routes=[Route("/things", queried)], middleware=[Middleware(Tracing, provider=provider, ratio=1)]
    )
    await get(app, "/things", query=b"token=hidden")
    (span,) = exporter.get_finished_spans()
    assert seen == ["hidden"]
    assert "hidden" not in span.to_json()
    assert span.name == "GET /things"


async def test_a_sampled_request_without_an_exporter_stays_sampled_for_the_others() -> None:
    parent = f"00-{TRACE}-{SPAN}-01"
    assert await get(traced(None), "/things/7", parent) == parent


async def test_without_a_traceparent_the_ratio_decides(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    unsampled = await get(traced(provider, ratio=0), "/things/7")
    assert not int(unsampled[-2:], 16) & 1
    assert exporter.get_finished_spans() == ()
    sampled = await get(traced(provider, ratio=1), "/things/7")
    assert int(sampled[-2:], 16) & 1
    assert len(exporter.get_finished_spans()) == 1
    assert unsampled.split("-")[1] != sampled.split("-")[1]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
async def test_a_broken_traceparent_starts_a_new_trace(header: str) -> None:
    onward = await get(traced(None), "/things/7", header)
    assert TRACE not in onward
    assert len(onward) == 55


async def test_a_probe_makes_no_span(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    await get(traced(provider, ratio=1), "/live")
    assert exporter.get_finished_spans() == ()
