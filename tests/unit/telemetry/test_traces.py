"""Trace contexts and spans, with an exporter that keeps them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from services.kit.errors import NotFound, ProblemResponses, Unavailable
from telemetry import traces
from telemetry.instrumentation.http import Tracing
from telemetry.recording import Recorder
from telemetry.spans import Span
from telemetry.traces import continued, current_trace_id, current_traceparent, inside
from tests.conventions import Kept, faults

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


async def thing(request: Request) -> PlainTextResponse:
    return PlainTextResponse(current_traceparent())


@pytest.fixture
def kept() -> Kept:
    return Kept()


def traced(recorder: Recorder | None, ratio: float = 0.0) -> ASGIApp:
    middleware = Middleware(Tracing, recorder=recorder, ratio=ratio, untraced=("/live",))
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
    kept: Kept,
) -> None:
    parent = f"00-{TRACE}-{SPAN}-00"
    assert await get(traced(kept.recorder, ratio=1), "/things/7", parent) == parent
    assert kept.spans() == []
    assert current_trace_id() == ""


async def test_a_sampled_request_makes_one_span_named_by_its_route_under_its_parent(
    kept: Kept,
) -> None:
    onward = await get(traced(kept.recorder), "/things/7", f"00-{TRACE}-{SPAN}-01")
    (span,) = kept.spans()
    assert (span.name, span.kind, span.parent_id) == ("GET /things/{id}", "server", SPAN)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/things/{id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/things/REDACTED",
        "server.address": "s",
        "server.port": 80,
        "network.protocol.version": "1.1",
    }
    assert not faults([span])
    assert onward.startswith(f"00-{TRACE}-{span.span_id}-")


async def test_a_query_is_for_the_handler_and_for_no_span(
    kept: Kept,
) -> None:
    seen = []

    async def queried(request: Request) -> PlainTextResponse:
        seen.append(request.query_params["token"])
        return PlainTextResponse("")

    app = Starlette(
        routes=[Route("/things", queried)],
        middleware=[Middleware(Tracing, recorder=kept.recorder, ratio=1)],
    )
    await get(app, "/things", query=b"token=hidden")
    (span,) = kept.spans()
    assert seen == ["hidden"]
    assert "hidden" not in repr(span)
    assert span.name == "GET /things"


async def test_a_sampled_request_without_an_exporter_stays_sampled_for_the_others() -> None:
    parent = f"00-{TRACE}-{SPAN}-01"
    assert await get(traced(None), "/things/7", parent) == parent


async def test_without_a_traceparent_the_ratio_decides(
    kept: Kept,
) -> None:
    unsampled = await get(traced(kept.recorder, ratio=0), "/things/7")
    assert not int(unsampled[-2:], 16) & 1
    assert kept.spans() == []
    sampled = await get(traced(kept.recorder, ratio=1), "/things/7")
    assert int(sampled[-2:], 16) & 1
    assert len(kept.spans()) == 1
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


async def test_a_probe_makes_no_span(kept: Kept) -> None:
    await get(traced(kept.recorder, ratio=1), "/live")
    assert kept.spans() == []


async def answering(kept: Kept, error: Exception) -> Span:
    """The span of a request that ends so."""

    async def broken(request: Request) -> PlainTextResponse:
        raise error

    served = [Middleware(Tracing, recorder=kept.recorder, ratio=1), Middleware(ProblemResponses)]
    await get(Starlette(routes=[Route("/things/{id}", broken)], middleware=served), "/things/7")
    (span,) = kept.spans()
    assert not faults([span])
    return span


async def test_a_refusal_is_named_by_its_problem_and_is_no_failure_of_the_server(kept: Kept) -> None:
    span = await answering(kept, NotFound("a name of somebody"))
    assert (span.error_type, span.failed, span.events) == ("not-found", False, ())
    assert span.attributes["http.response.status_code"] == 404


async def test_a_failure_is_named_by_its_problem(kept: Kept) -> None:
    span = await answering(kept, Unavailable("a name of somebody"))
    assert (span.error_type, span.failed, span.events) == ("unavailable", True, ())


async def test_of_an_unknown_error_its_kind_and_place_are_kept_and_not_its_words(kept: Kept) -> None:
    span = await answering(kept, ValueError("ada@example.org"))
    assert (span.error_type, span.failed) == ("internal-error", True)
    (event,) = span.events
    assert event.attributes["exception.type"] == "ValueError"
    assert "in broken" in str(event.attributes["exception.stacktrace"])
    assert "ada@" not in repr(span)


async def test_an_unknown_method_or_path_makes_no_name_of_its_own(kept: Kept) -> None:
    await get(traced(kept.recorder, ratio=1), "/secret/place")
    (span,) = kept.spans()
    assert (span.name, span.attributes["url.path"]) == ("GET", "/REDACTED")


def test_only_sampled_work_makes_spans_of_its_parts(kept: Kept) -> None:
    with inside("nowhere"), continued(f"00-{TRACE}-{SPAN}-01"), inside("not here"):
        pass
    assert kept.spans() == []
    with traces.serving("outer", "", kept.recorder, 1.0, {}):
        with inside("inner"):
            pass
        # What is done for somebody else meanwhile is not part of it.
        with continued(f"00-{TRACE}-{SPAN}-00"), inside("elsewhere"):
            pass
    outer, inner = kept.spans()
    assert (inner.name, inner.parent_id) == ("inner", outer.span_id)


def test_what_breaks_off_is_a_failure_by_its_name(kept: Kept) -> None:
    with (
        pytest.raises(KeyError),
        traces.serving("outer", "", kept.recorder, 1.0, {}),
        inside("inner"),
    ):
        raise KeyError("ada@example.org")
    assert {(span.name, span.error_type, span.failed) for span in kept.spans()} == {
        ("outer", "KeyError", True),
        ("inner", "KeyError", True),
    }
    assert "ada@" not in repr(kept.spans())
