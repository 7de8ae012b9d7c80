"""A trace as rows: in the order of the tree, each bar where its span was, the critical path without gaps."""

from __future__ import annotations

import pytest

from mesh.console.waterfall import LEAST, WIDTH, waterfall
from telemetry.spans import Span, Trace, trace_of


def span(name: str, parent: str, start: int, end: int, service: str = "web") -> Span:
    return Span("t", name, parent, service, name, "internal", start * 1_000_000, end * 1_000_000)


@pytest.fixture
def trace() -> Trace:
    return trace_of(
        [
            span("root", "", 0, 100),
            span("first", "root", 10, 40, "links"),
            span("second", "root", 50, 90, "users"),
            span("inner", "second", 60, 60, "users"),
        ]
    )


def test_rows_follow_the_tree_and_stand_where_they_were_in_time(trace: Trace) -> None:
    drawn = waterfall(trace, 100)
    assert [(row.span.name, row.depth) for row in drawn.rows] == [
        ("root", 0),
        ("first", 1),
        ("second", 1),
        ("inner", 2),
    ]
    bars = {row.span.name: (row.bar.x, row.bar.width) for row in drawn.rows}
    assert bars["root"] == pytest.approx((0, WIDTH))
    assert bars["second"] == pytest.approx((500, 400))
    assert bars["inner"][1] == LEAST, "even what took no time can be seen"


def test_the_critical_path_covers_the_whole_time_once(trace: Trace) -> None:
    drawn = waterfall(trace, 100)
    stretches = sorted((bar.x, bar.width) for row in drawn.rows for bar in row.critical)
    assert sum(width for _, width in stretches) == pytest.approx(WIDTH)
    assert drawn.critical_ns == 100_000_000
    assert {row.span.name: row.own_ns // 1_000_000 for row in drawn.rows}["root"] == 30


def test_a_service_has_one_colour(trace: Trace) -> None:
    drawn = waterfall(trace, 100)
    assert {(row.span.service, row.colour) for row in drawn.rows} == set(drawn.colours.items())


def test_a_trace_that_is_too_long_for_a_page_says_what_is_left_out() -> None:
    many = trace_of([span(f"s{number}", "", number, number + 1) for number in range(30)])
    drawn = waterfall(many, 10)
    assert (len(drawn.rows), drawn.left_out) == (10, 20)
    assert drawn.ticks == (0, 7_500_000, 15_000_000, 22_500_000, 30_000_000)


def test_nothing_sticks_out_of_the_drawing() -> None:
    drawn = waterfall(trace_of([span("root", "", 0, 1000), span("last", "root", 1000, 1000)]), 10)
    assert all(row.bar.x + row.bar.width <= WIDTH for row in drawn.rows)
