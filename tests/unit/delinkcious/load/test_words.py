"""A critical path in words: the most first, proxies and databases by their names."""

from __future__ import annotations

from typing import Any

from delinkcious.load.words import in_words
from telemetry.spans import Kind, Span, Trace, trace_of


def span(
    number: int,
    parent: int,
    service: str,
    name: str,
    begin_ms: float,
    end_ms: float,
    kind: Kind = "internal",
    **said: Any,
) -> Span:
    parent_id = f"{parent:016x}" if parent else ""
    times = round(begin_ms * 1e6), round(end_ms * 1e6)
    return Span("0" * 32, f"{number:016x}", parent_id, service, name, kind, *times, attributes=said)


def a_save() -> Trace:
    return trace_of(
        [
            span(
                1, 0, "ingressgateway.istio-system", "delinkcious:443/*", 0, 80, "server", component="proxy"
            ),
            span(2, 1, "links.delinkcious", "links:80/*", 2, 79, "server", component="proxy"),
            span(3, 2, "links", "POST /api/v1/links", 7, 78, "server"),
            span(4, 3, "links", "INSERT links", 12, 73, "client"),
        ]
    )


def test_what_was_waited_for_most_comes_first() -> None:
    said = in_words(a_save(), 80)
    assert said == (
        "61 ms of 80 ms waited for INSERT links in links; 10 ms in links itself (POST /api/v1/links); "
        "6.0 ms in the proxy of links"
    )


def test_time_outside_of_the_trace_is_told() -> None:
    assert "another 120 ms before or behind all of it" in in_words(a_save(), 200)


def test_small_places_are_added_up() -> None:
    spans = [span(1, 0, "links", "GET /", 0, 100, "server")]
    spans += [span(n, 1, "links", f"SELECT {n}", n * 10, n * 10 + 9, "client") for n in range(2, 10)]
    said = in_words(trace_of(spans), 100)
    assert said.startswith("28 ms of 100 ms in links itself (GET /)")
    assert "in 6 other places" in said


def test_nothing_is_said_to_be_nothing() -> None:
    assert in_words(trace_of([span(1, 0, "links", "GET /", 0, 0)]), 1) == "nothing is known of it"
