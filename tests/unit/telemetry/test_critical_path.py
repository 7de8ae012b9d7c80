"""The tree and the critical path of traces, drawn by hand and at random."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telemetry.critical_path import Segment, adjusted, critical_path, times_ns, tree, walk
from telemetry.spans import Link, Span, Trace, trace_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def span(span_id: str, parent_id: str, start: int, end: int, **other: Any) -> Span:
    values: dict[str, Any] = {"service": "a", "kind": "internal", **other}
    return Span(
        trace_id=TRACE,
        span_id=span_id,
        parent_id=parent_id,
        name=span_id,
        start_ns=start,
        end_ns=end,
        **values,
    )


def drawn(path: tuple[Segment, ...]) -> list[str]:
    return [f"{each.span_id} {each.start_ns}-{each.end_ns}{' waiting' * each.waiting}" for each in path]


def test_what_no_child_covers_is_the_spans_own() -> None:
    trace = trace_of([span("root", "", 0, 100), span("one", "root", 10, 40), span("two", "root", 50, 90)])
    assert drawn(critical_path(trace)) == [
        "root 0-10",
        "one 10-40",
        "root 40-50",
        "two 50-90",
        "root 90-100",
    ]
    assert times_ns(critical_path(trace)) == {"root": 30, "one": 30, "two": 40}


def test_of_overlapping_children_the_one_that_ended_last_counts_until_it_began() -> None:
    trace = trace_of(
        [
            span("root", "", 0, 100),
            span("early", "root", 0, 30),
            span("beside", "root", 20, 70),
            span("last", "root", 40, 100),
        ]
    )
    # `last` did not wait for `beside`, which still ran when it began.
    assert drawn(critical_path(trace)) == ["early 0-30", "root 30-40", "last 40-100"]


def test_the_path_goes_down_into_grandchildren() -> None:
    trace = trace_of(
        [span("root", "", 0, 100), span("child", "root", 10, 90), span("grandchild", "child", 20, 85)]
    )
    assert drawn(critical_path(trace)) == [
        "root 0-10",
        "child 10-20",
        "grandchild 20-85",
        "child 85-90",
        "root 90-100",
    ]


def saved() -> Trace:
    """A save: answered at 100, relayed through the outbox, put on two timelines long after."""
    creating = (Link(TRACE, "save"),)
    return trace_of(
        [
            span("save", "", 0, 100, service="links", kind="server"),
            span("insert", "save", 20, 80, service="links", kind="client"),
            span("publish", "save", 90, 140, service="links", kind="producer", links=creating),
            span("first", "publish", 150, 200, service="news", kind="consumer", links=creating),
            span("write", "first", 160, 190, service="news", kind="client"),
            span("second", "publish", 130, 170, service="checker", kind="consumer", links=creating),
        ]
    )


def test_the_answer_does_not_wait_for_what_the_broker_passes_on() -> None:
    assert drawn(critical_path(saved())) == ["save 0-20", "insert 20-80", "save 80-100"]


def test_to_the_end_the_path_goes_through_the_broker_and_says_where_nothing_happened() -> None:
    assert drawn(critical_path(saved(), to="end")) == [
        "save 0-20",
        "insert 20-80",
        "save 80-90",
        "publish 90-140",
        "publish 140-150 waiting",
        "first 150-160",
        "write 160-190",
        "first 190-200",
    ]


def test_what_the_broker_passes_on_hangs_in_the_tree_as_detached() -> None:
    (root,) = tree(saved())
    detached = {node.span.span_id for node in walk([root]) if node.detached}
    assert detached == {"publish", "first", "second"}
    assert [node.depth for node in walk([root])] == [0, 1, 1, 2, 2, 3]


def test_a_child_that_went_on_in_the_same_process_was_not_waited_for() -> None:
    trace = trace_of([span("root", "", 0, 100), span("task", "root", 50, 150)])
    assert drawn(critical_path(trace)) == ["root 0-100"]
    assert drawn(critical_path(trace, to="end")) == ["root 0-50", "task 50-150"]


def test_a_fast_clock_is_set_back_into_the_middle_of_the_call() -> None:
    trace = trace_of(
        [
            span("call", "", 1_000, 1_100, service="web", kind="client"),
            span("serve", "call", 9_000, 9_060, service="links", kind="server"),
            span("query", "serve", 9_010, 9_050, service="links", kind="client"),
        ]
    )
    assert drawn(critical_path(trace)) == [
        "call 1000-1020",
        "serve 1020-1030",
        "query 1030-1070",
        "serve 1070-1080",
        "call 1080-1100",
    ]
    # The clock is only wrong between the machines: what lies inside stays.
    assert adjusted(adjusted(trace)) == adjusted(trace)


def test_what_a_broker_passed_on_never_begins_before_its_cause() -> None:
    trace = trace_of(
        [
            span("publish", "", 500, 600, service="links", kind="producer"),
            span("process", "publish", 100, 150, service="news", kind="consumer"),
        ]
    )
    moved = adjusted(trace).span("process")
    assert moved is not None
    assert (moved.start_ns, moved.end_ns) == (500, 550)


def test_a_child_longer_than_the_call_is_cut_off() -> None:
    trace = trace_of(
        [
            span("call", "", 0, 100, service="web", kind="client"),
            span("serve", "call", 5, 500, service="links", kind="server"),
        ]
    )
    assert drawn(critical_path(trace)) == ["serve 0-100"]


def test_a_span_whose_parent_is_missing_is_a_root_of_its_own() -> None:
    roots = tree(trace_of([span("root", "outside", 0, 10), span("stray", "lost", 5, 6)]))
    assert [(node.span.span_id, node.orphan) for node in roots] == [("root", True), ("stray", True)]


def test_parents_in_a_circle_are_cut_open() -> None:
    circle = [span("a", "b", 0, 10), span("b", "c", 1, 9), span("c", "a", 2, 8), span("self", "self", 3, 4)]
    roots = tree(trace_of(circle))
    assert sorted(node.span.span_id for node in walk(roots)) == ["a", "b", "c", "self"]
    assert critical_path(trace_of(circle))


def test_a_trace_as_deep_as_a_thousand_calls_is_no_trouble() -> None:
    deep = [span(str(n), str(n - 1) if n else "", n, 10_000 - n) for n in range(3_000)]
    path = critical_path(trace_of(deep))
    assert sum(each.duration_ns for each in path) == 10_000


def test_without_spans_there_is_no_path() -> None:
    assert critical_path(Trace(TRACE, ())) == ()


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    number = draw(st.integers(1, 12))
    found = []
    for index in range(number):
        start = draw(st.integers(0, 60))
        end = start + draw(st.integers(0, 60))
        parent = "" if index == 0 else str(draw(st.integers(0, number - 1)))
        kind = draw(st.sampled_from(["internal", "client", "consumer"]))
        found.append(span(str(index), parent, start, end, kind=kind, service=draw(st.sampled_from("ab"))))
    return trace_of(found)


@given(traces())
def test_segments_follow_each_other_and_add_up_to_the_root(trace: Trace) -> None:
    root = tree(adjusted(trace))[0].span
    path = critical_path(trace)
    assert sum(each.duration_ns for each in path) == root.duration_ns
    assert all(not each.waiting for each in path)
    onward = critical_path(trace, to="end")
    for one in (path, onward):
        assert all(before.end_ns == after.start_ns for before, after in itertools.pairwise(one))
        assert all(each.duration_ns > 0 for each in one)
    if onward:
        assert onward[0].start_ns == root.start_ns
        assert onward[-1].end_ns >= root.end_ns
