"""A trace as lines for people and as JSON for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from delinkcious import trace_tree
from delinkcious.tracing import is_connected
from telemetry.spans import Link, Span, trace_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MS = 1_000_000


def span(
    span_id: str, parent_id: str, service: str, name: str, start: float, end: float, **other: Any
) -> Span:
    return Span(
        trace_id=TRACE,
        span_id=span_id,
        parent_id=parent_id,
        service=service,
        name=name,
        start_ns=int(start * MS),
        end_ns=int(end * MS),
        **{"kind": "client", **other},
    )


SAVE = span("save", "outside", "links", "POST /api/v1/links", 0, 10, kind="server")
CAUSE = (Link(TRACE, "save"),)
TRACE_OF_A_SAVE = trace_of(
    [
        SAVE,
        span("insert", "save", "links", "INSERT links", 2, 8, attributes={"db.response.returned_rows": 1}),
        span("publish", "save", "links", "publish events", 20, 22, kind="producer", links=CAUSE),
        span("process", "publish", "news", "process events", 25, 40, kind="consumer", links=CAUSE),
        span(
            "write",
            "process",
            "news",
            "PIPELINE EVALSHA add_to_timeline",
            30,
            39,
            attributes={"db.operation.batch.size": 2, "error.type": "ConnectionError"},
            failed=True,
        ),
    ]
)


def printed(trace: Any) -> list[str]:
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(trace_tree.table(trace))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_a_tree_shows_times_and_what_they_were_spent_on() -> None:
    assert printed(TRACE_OF_A_SAVE) == [
        "at ms took ms path ms service what",
        "0.0 10.0 4.0 ● links POST /api/v1/links",
        "2.0 6.0 6.0 ● links ├─ INSERT links 1 row",
        "20.0 2.0 2.0 ○ links └─ publish events producer",
        "25.0 15.0 6.0 ○ news └─ process events consumer",
        "30.0 9.0 9.0 ○ news └─ PIPELINE EVALSHA add_to_timeline 2 at once ConnectionError",
    ]


def test_a_name_that_would_act_on_the_terminal_is_shown_harmless() -> None:
    evil = trace_of([span("a", "", "links\x1b[2J", "GET \x1b]0;title\x07", 0, 1)])
    assert "\x1b" not in "".join(printed(evil))


def test_programs_get_the_same_as_json() -> None:
    told = trace_tree.document(TRACE_OF_A_SAVE)
    assert (told["span_count"], told["services"]) == (5, ["links", "news"])
    assert (told["answered_ms"], told["took_ms"]) == (10, 40)
    assert [each["span_id"] for each in told["critical_path"]] == ["save", "insert", "save"]
    publish = next(each for each in told["spans"] if each["span_id"] == "publish")
    assert publish["detached"]
    assert publish["links"] == [{"trace_id": TRACE, "span_id": "save"}]


def test_a_trace_is_connected_when_only_its_first_span_comes_from_outside() -> None:
    assert is_connected(TRACE_OF_A_SAVE)
    without = [each for each in TRACE_OF_A_SAVE.spans if each.span_id != "publish"]
    assert not is_connected(trace_of(without))
