"""A trace as rows to draw: each span where it was in time, and what of it was on the critical path (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.critical_path import Node, adjusted, critical_path, times_ns, tree, walk
from telemetry.spans import Span, Trace

# Of the drawing, whose width is 1000 whatever it is on the page.
WIDTH = 1000.0
LEAST = 2.0  # the shortest bar that can be seen
COLOURS = 10
INDENT, DEEPEST = 12, 12


@dataclass(frozen=True)
class Bar:
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """`critical` are stretches of the critical path; `own_ns` is how long the span was on it."""

    span: Span
    depth: int
    colour: int
    bar: Bar
    critical: tuple[Bar, ...]
    own_ns: int
    detached: bool
    orphan: bool

    @property
    def indent(self) -> int:
        return INDENT * min(self.depth, DEEPEST)


@dataclass(frozen=True)
class Waterfall:
    """`left_out`: spans beyond what a page can show. `ticks`: nanoseconds since the start, by quarters."""

    rows: tuple[Row, ...]
    left_out: int
    ticks: tuple[int, ...]
    critical_ns: int
    colours: dict[str, int]


def waterfall(trace: Trace, most: int) -> Waterfall:
    """Rows in the order of the tree; clocks of different machines brought together first."""
    trace = adjusted(trace)
    begin, whole = trace.start_ns, max(1, trace.end_ns - trace.start_ns)
    path = critical_path(trace, to="end")
    on_path: dict[str, list[Bar]] = {}
    for segment in path:
        if not segment.waiting:
            on_path.setdefault(segment.span_id, []).append(
                _bar(segment.start_ns - begin, segment.duration_ns, whole)
            )
    times = times_ns(path)
    colours = {service: number % COLOURS for number, service in enumerate(trace.services)}

    def row(node: Node) -> Row:
        span = node.span
        return Row(
            span,
            node.depth,
            colours[span.service],
            _bar(span.start_ns - begin, span.duration_ns, whole),
            tuple(on_path.get(span.span_id, ())),
            times.get(span.span_id, 0),
            node.detached,
            node.orphan,
        )

    nodes = list(walk(tree(trace)))
    ticks = tuple(whole * part // 4 for part in range(5))
    rows = tuple(row(node) for node in nodes[:most])
    return Waterfall(rows, max(0, len(nodes) - most), ticks, sum(times.values()), colours)


def _bar(start: int, duration: int, whole: int) -> Bar:
    x = WIDTH * max(0, start) / whole
    width = max(LEAST, WIDTH * duration / whole)
    return Bar(round(min(x, WIDTH - LEAST), 1), round(min(width, WIDTH - min(x, WIDTH - LEAST)), 1))
