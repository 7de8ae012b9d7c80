"""What a trace's time was spent on: its tree, and the chain of spans that made it as long as it was.

    roots = tree(trace)                      # nodes: span, children, depth; walk(roots) goes through all
    path = critical_path(trace)              # segments up to the answer that the caller waited for
    path = critical_path(trace, to="end")    # up to the last thing that came of it, broker and all
    times_ns(path)                           # span id -> nanoseconds of it on the path

The path is found from its end backwards: what a span's end waited for is the child that ended last before
it, then what that child's start waited for, and so on; what no child covers is the span's own. Segments never
overlap and leave no gap, so their durations add up to the whole.

A *detached* child is one whose parent did not wait for it: work that a broker passed on (a consumer, or a
producer with a link to its parent: the outbox), or what goes on in its parent's process after the parent's
end. It is in the tree; in the path only `to="end"`, where a pause before it is a segment with `waiting` true.

Clocks of two machines differ: a waited-for child of another process that sticks out of its parent is shown
in the middle of it (`adjusted`), all that hangs below it moved alike. What still sticks out is cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from telemetry.spans import Span, Trace, trace_of


@dataclass
class Node:
    """A span in its place. `orphan`: it has a parent, which is not in the trace (yet)."""

    span: Span
    depth: int = 0
    orphan: bool = False
    detached: bool = False
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Segment:
    """A stretch of time that was one span's; `waiting`: after its end, before what it led to began."""

    span_id: str
    start_ns: int
    end_ns: int
    waiting: bool = False

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def tree(trace: Trace) -> list[Node]:
    """The roots, by start, with everything below them by start; each span is in it once, whatever it says."""
    nodes = {span.span_id: Node(span) for span in trace.spans}
    cut = _cycles(nodes)
    roots = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id)
        if parent is None or node.span.span_id in cut:
            node.orphan = bool(node.span.parent_id)
            roots.append(node)
        else:
            node.detached = _is_detached(node.span, parent.span)
            parent.children.append(node)
    for node in walk(roots):
        for child in node.children:
            child.depth = node.depth + 1
    return roots


def walk(roots: Sequence[Node]) -> Iterator[Node]:
    """Every node, a parent before its children."""
    waiting = list(reversed(roots))
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def adjusted(trace: Trace) -> Trace:
    """The trace as if all clocks were one: see above."""
    moved: dict[str, int] = {}
    spans = []
    for node, parent in _with_parents(tree(trace)):
        by = moved.get(parent.span_id, 0) if parent else 0
        span = _moved(node.span, by)
        if parent is not None and node.span.process != parent.process:
            by += _skew(span, _moved(parent, moved[parent.span_id]), node.detached)
            span = _moved(node.span, by)
        moved[span.span_id] = by
        spans.append(span)
    return trace_of(spans) if spans else trace


def critical_path(trace: Trace, *, to: Literal["answer", "end"] = "answer") -> tuple[Segment, ...]:
    """The path through the tree of the first root, in order of time; empty for a trace without spans.

    `to="answer"` covers that root; `to="end"` goes on to the end of the last span below it.
    """
    roots = tree(adjusted(trace))
    if not roots:
        return ()
    root = roots[0]
    answered, ended = _ends(roots)
    until = (ended if to == "end" else answered)[root.span.span_id]
    found: list[Segment] = []
    # What is still to be explained, later stretches on top: whose, from, to.
    waiting = [(root, root.span.start_ns, until)]
    while waiting:
        node, begin, until = waiting.pop()
        after = until > answered[node.span.span_id] and until == ended[node.span.span_id]
        ends = ended if after else answered
        child = _last(node, begin, until, ends, detached=after)
        if child is None:
            found += _own(node.span, begin, until)
            continue
        child_begin, child_end = max(begin, child.span.start_ns), ends[child.span.span_id]
        found += _own(node.span, child_end, until)
        waiting += [(node, begin, child_begin), (child, child_begin, child_end)]
    return tuple(sorted(found, key=lambda segment: segment.start_ns))


def times_ns(path: Iterable[Segment]) -> Mapping[str, int]:
    """How long each span was on the path itself; spans that were not are left out."""
    times: dict[str, int] = {}
    for segment in path:
        if not segment.waiting:
            times[segment.span_id] = times.get(segment.span_id, 0) + segment.duration_ns
    return times


def _cycles(nodes: Mapping[str, Node]) -> set[str]:
    """A span of each circle of parents; broken input must not become a loop."""
    cut: set[str] = set()
    known: set[str] = set()
    for span_id in nodes:
        chain: dict[str, None] = {}
        current = span_id
        while current in nodes and current not in known and current not in chain:
            chain[current] = None
            current = nodes[current].span.parent_id
        if current in chain:
            cut.add(current)
        known |= chain.keys()
    return cut


def _is_detached(span: Span, parent: Span) -> bool:
    if span.kind == "consumer" or any(link.span_id == parent.span_id for link in span.links):
        return True
    # By the same clock: it went on when its parent had ended.
    return span.process == parent.process and span.end_ns > parent.end_ns


def _with_parents(roots: Sequence[Node]) -> Iterator[tuple[Node, Span | None]]:
    above: dict[str, Span] = {}
    for node in walk(roots):
        yield node, above.get(node.span.span_id)
        above |= {child.span.span_id: node.span for child in node.children}


def _moved(span: Span, by_ns: int) -> Span:
    return replace(span, start_ns=span.start_ns + by_ns, end_ns=span.end_ns + by_ns) if by_ns else span


def _skew(span: Span, parent: Span, detached: bool) -> int:
    """By how much a span has to be moved to lie where it can have been."""
    if detached:
        # It may end when it likes, but nothing begins before its cause.
        return max(0, parent.start_ns - span.start_ns)
    if parent.start_ns <= span.start_ns and span.end_ns <= parent.end_ns:
        return 0
    spare = parent.duration_ns - span.duration_ns
    return parent.start_ns + max(0, spare) // 2 - span.start_ns


def _ends(roots: Sequence[Node]) -> tuple[dict[str, int], dict[str, int]]:
    """When each span ended, as far as its parent waited; and when all that came of it had ended."""
    answered: dict[str, int] = {}
    for node, parent in _with_parents(roots):
        limit = answered[parent.span_id] if parent and not node.detached else node.span.end_ns
        answered[node.span.span_id] = min(node.span.end_ns, limit)
    ended: dict[str, int] = {}
    for node in reversed(list(walk(roots))):
        own = answered[node.span.span_id]
        ended[node.span.span_id] = max([own, *(ended[child.span.span_id] for child in node.children)])
    return answered, ended


def _last(node: Node, begin: int, until: int, ends: Mapping[str, int], *, detached: bool) -> Node | None:
    """The child whose end was the last one before `until`: what came next waited for it.

    `detached`: only the one that ended at that very moment, whether it was waited for or not.
    """
    fitting = [
        child
        for child in node.children
        if begin < ends[child.span.span_id] <= until
        and child.span.start_ns < until
        and (ends[child.span.span_id] == until if detached else not child.detached)
    ]
    return max(fitting, key=lambda child: ends[child.span.span_id], default=None)


def _own(span: Span, begin: int, until: int) -> Iterator[Segment]:
    """A stretch that no child covers: the span's own up to its end, from then on a pause."""
    middle = min(max(span.end_ns, begin), until)
    if begin < middle:
        yield Segment(span.span_id, begin, middle)
    if middle < until:
        yield Segment(span.span_id, middle, until, waiting=True)
