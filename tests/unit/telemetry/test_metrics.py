"""RED metrics by route template."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from telemetry.metrics import Exposition, HttpMetrics, Measuring, make_registry

pytestmark = pytest.mark.anyio

COUNT = "http_server_request_duration_seconds_count"


async def thing(request: Request) -> PlainTextResponse:
    return PlainTextResponse("x")


async def request(app: ASGIApp, method: str, path: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": path, "headers": []}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def app(registry: CollectorRegistry) -> ASGIApp:
    middleware = [Middleware(Measuring, metrics=HttpMetrics(registry))]
    return Starlette(routes=[Route("/things/{id}", thing)], middleware=middleware)


async def test_requests_are_counted_by_template_method_and_status(
    app: ASGIApp, registry: CollectorRegistry
) -> None:
    for path in ("/things/1", "/things/2"):
        await request(app, "GET", path)
    await request(app, "POST", "/things/1")
    labels = {"method": "GET", "route": "/things/{id}", "status": "200"}
    assert registry.get_sample_value(COUNT, labels) == 2
    assert registry.get_sample_value(COUNT, labels | {"method": "POST", "status": "405"}) == 1
    assert registry.get_sample_value("http_server_active_requests") == 0


async def test_a_client_cannot_make_labels_up(app: ASGIApp, registry: CollectorRegistry) -> None:
    for number in range(3):
        await request(app, f"BREW{number}", f"/nowhere/{number}")
    labels = {"method": "OTHER", "route": "(none)", "status": "404"}
    assert registry.get_sample_value(COUNT, labels) == 3


async def test_the_exposition_is_at_metrics_only() -> None:
    app = Exposition(make_registry())
    status, text = await request(app, "GET", "/metrics")
    assert status == 200
    assert b"process_cpu_seconds_total" in text
    assert (await request(app, "GET", "/"))[0] == 404
    assert (await request(app, "POST", "/metrics"))[0] == 404
