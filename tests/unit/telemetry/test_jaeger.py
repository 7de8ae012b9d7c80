"""Jaeger's answers as traces, and what comes of a Jaeger that answers something else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from telemetry.jaeger import MAX_TRACES, Jaeger, JaegerUnavailable, Search
from telemetry.spans import Link, read

pytestmark = pytest.mark.anyio

TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def otlp(*spans: dict[str, Any], service: str = "links") -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def span(span_id: str, trace_id: str = TRACE, **more: Any) -> dict[str, Any]:
    times = {"startTimeUnixNano": "1000", "endTimeUnixNano": "3000"}
    return {"traceId": trace_id, "spanId": span_id, "name": "GET /links", "kind": 2, **times, **more}


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def asking(answer: Callable[[httpx.Request], httpx.Response]) -> Jaeger:
    return Jaeger(httpx.AsyncClient(transport=httpx.MockTransport(answer)), "http://jaeger:16686/")


def answering(document: Any, status: int = 200) -> Jaeger:
    return asking(lambda _: httpx.Response(status, content=msgspec.json.encode(document)))


async def test_a_trace_is_read_with_all_that_its_spans_say() -> None:
    told = span(
        "b7ad6b7169203331",
        parentSpanId="00f067aa0ba902b7",
        status={"code": 2, "message": "broken"},
        attributes=[
            attribute("http.response.status_code", intValue="503"),
            attribute("error.type", stringValue="unavailable"),
            attribute("some.share", doubleValue=0.5),
            attribute("is.so", boolValue=True),
            attribute("several", arrayValue={"values": [{"stringValue": "a"}, {"intValue": 1}]}),
        ],
        links=[{"traceId": TRACE, "spanId": "00f067aa0ba902b7"}],
        events=[{"name": "exception", "timeUnixNano": "2000", "attributes": []}],
    )
    found = await answering({"result": otlp(told, told)}).trace(TRACE)
    assert found is not None
    (one,) = found.spans
    assert (one.service, one.name, one.kind, one.parent_id) == (
        "links",
        "GET /links",
        "server",
        "00f067aa0ba902b7",
    )
    assert (one.start_ns, one.duration_ns, one.failed, one.message) == (1000, 2000, True, "broken")
    assert one.attributes == {
        "http.response.status_code": 503,
        "error.type": "unavailable",
        "some.share": 0.5,
        "is.so": True,
        "several": ["a", 1],
    }
    assert one.links == (Link(TRACE, "00f067aa0ba902b7"),)
    assert [(event.name, event.at_ns) for event in one.events] == [("exception", 2000)]


async def test_a_trace_that_is_not_there_is_none() -> None:
    missing = {"error": {"httpCode": 404, "message": "No traces found"}}
    assert await answering(missing, 404).trace(TRACE) is None
    assert await answering({"result": otlp()}).trace(TRACE) is None


@pytest.mark.parametrize("trace_id", ["", "4bf9", TRACE.upper(), f"{TRACE}/../../api", "z" * 32])
async def test_what_is_no_trace_id_is_not_asked_for(trace_id: str) -> None:
    with pytest.raises(ValueError, match="no trace id"):
        await asking(lambda _: pytest.fail("it was asked for")).trace(trace_id)


async def test_a_search_asks_for_what_is_wanted_and_keeps_what_fits() -> None:
    asked: list[httpx.Request] = []
    fitting = span(
        "1" * 16, attributes=[attribute("http.response.status_code", intValue="503")], status={"code": 2}
    )
    other = span("2" * 16, OTHER, attributes=[attribute("http.response.status_code", intValue="200")])

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=msgspec.json.encode({"result": otlp(fitting, other)}))

    jaeger = asking(answer)
    wanted = Search(
        service="links",
        operation="GET /links",
        attributes={"http.response.status_code": "503"},
        minimum_s=0.1,
        maximum_s=2,
        end=NOW,
        limit=5,
    )
    assert [trace.trace_id for trace in await jaeger.search(wanted)] == [TRACE]
    assert dict(asked[0].url.params) == {
        "query.service_name": "links",
        "query.operation_name": "GET /links",
        "query.attributes": '{"http.response.status_code":"503"}',
        "query.duration_min": "100000us",
        "query.duration_max": "2000000us",
        "query.start_time_min": "2026-01-02T02:04:05.000000Z",
        "query.start_time_max": "2026-01-02T03:04:05.000000Z",
        "query.num_traces": "25",
        "query.raw_traces": "true",
    }
    assert [trace.trace_id for trace in await jaeger.search(Search(failed=True))] == [TRACE]
    assert {trace.trace_id for trace in await jaeger.search(Search())} == {TRACE, OTHER}
    assert len(await jaeger.search(Search(limit=1))) == 1


async def test_a_question_that_is_none_is_refused() -> None:
    for wanted in (Search(limit=0), Search(limit=MAX_TRACES + 1), Search(start=NOW, end=NOW)):
        with pytest.raises(ValueError, match=r"limit|start"):
            await answering({}).search(wanted)


async def test_services_and_operations_are_sorted_names() -> None:
    assert await answering({"services": ["web", "links"]}).services() == ["links", "web"]
    assert await answering({}).services() == []
    operations = {"operations": [{"name": "b", "spanKind": "server"}, {"name": "a"}, {"name": "b"}]}
    assert await answering(operations).operations("links") == ["a", "b"]


@pytest.mark.parametrize(
    ("document", "status", "says"),
    [
        ({"error": "x"}, 500, "answered 500"),
        ([1], 200, "as Jaeger does"),
        (
            {"result": {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": TRACE}]}]}]}},
            200,
            "as Jaeger does",
        ),
        ({"result": {"resourceSpans": 7}}, 200, "as Jaeger does"),
    ],
)
async def test_another_answer_is_told_in_a_sentence(document: Any, status: int, says: str) -> None:
    with pytest.raises(JaegerUnavailable, match=says):
        await answering(document, status).trace(TRACE)


@pytest.mark.parametrize(
    ("error", "says"), [(httpx.ConnectError("x"), "cannot be reached"), (httpx.ReadTimeout("x"), "in time")]
)
async def test_no_answer_is_told_in_a_sentence(error: Exception, says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(JaegerUnavailable, match=says):
        await asking(answer).services()


def test_what_is_not_otlp_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not OTLP"):
        read({"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]})
