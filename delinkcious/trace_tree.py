"""A trace as a tree for a terminal, or as JSON: times, who did what, and what its time was spent on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from delinkcious.terminal import shown
from telemetry.critical_path import Node, adjusted, critical_path, times_ns, tree, walk
from telemetry.spans import Span, Trace

PATH = "●"
AFTER = "○"
MAX_NOTE_CHARACTERS = 60


@dataclass(frozen=True)
class Row:
    """A span as it is shown: milliseconds since the trace began, and those of its own on the path.

    `lines` are the branches that lead to it. `after` counts beyond the answer, to the end of everything.
    """

    span: Span
    lines: str
    start_ms: float
    took_ms: float
    path_ms: float
    after_ms: float
    detached: bool
    orphan: bool


def rows(trace: Trace) -> list[Row]:
    """Every span of the trace, a parent before its children."""
    trace = adjusted(trace)
    answer = times_ns(critical_path(trace))
    end = times_ns(critical_path(trace, to="end"))
    roots = tree(trace)
    lines = dict(_lines(roots))
    found = []
    for node in walk(roots):
        span = node.span
        found.append(
            Row(
                span,
                lines[span.span_id],
                (span.start_ns - trace.start_ns) / 1e6,
                span.duration_ns / 1e6,
                answer.get(span.span_id, 0) / 1e6,
                end.get(span.span_id, 0) / 1e6,
                node.detached,
                node.orphan,
            )
        )
    return found


def _lines(roots: Sequence[Node]) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[Node, str, str]] = [(root, "", "") for root in roots]
    while waiting:
        node, here, below = waiting.pop()
        yield node.span.span_id, here
        for child in node.children:
            last = child is node.children[-1]
            waiting.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")))


def table(trace: Trace) -> Table:
    """The tree, a line for each span; what waited for it is on the critical path (●)."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for title in ("at ms", "took ms", "path ms"):
        made.add_column(title, justify="right", no_wrap=True)
    made.add_column("", no_wrap=True)
    made.add_column("service", no_wrap=True)
    made.add_column("what", no_wrap=True, overflow="ellipsis")
    for row in rows(trace):
        made.add_row(
            f"{row.start_ms:.1f}",
            f"{row.took_ms:.1f}",
            f"{row.path_ms or row.after_ms:.1f}" if row.path_ms or row.after_ms else "",
            mark(row),
            shown(row.span.service),
            _what(row),
            style="bold" if row.path_ms else "",
        )
    return made


def mark(row: Row) -> str:
    """● on the way to the answer, ○ on the way to the end of what came of it."""
    return PATH if row.path_ms else AFTER if row.after_ms else ""


def _what(row: Row) -> Text:
    span = row.span
    text = Text(row.lines, style="dim")
    text.append(shown(span.name), style="red" if span.failed else "")
    for note in notes(row):
        text.append(f"  {note}", style="red" if span.failed else "dim")
    return text


def notes(row: Row) -> list[str]:
    """What is worth a word beside the name."""
    span, known = row.span, row.span.attributes
    said: list[str] = [span.kind] if span.kind in ("producer", "consumer") else []
    if (size := known.get("db.operation.batch.size")) is not None:
        said.append(f"{size} at once")
    if (rows_ := known.get("db.response.returned_rows")) is not None:
        said.append(f"{rows_} row{'' if rows_ == 1 else 's'}")
    if (event := known.get("cloudevents.event_type")) is not None:
        said.append(str(event))
    if (status := known.get("http.response.status_code") or known.get("http.status_code")) is not None:
        said.append(str(status))
    if span.failed or span.error_type:
        said.append(span.error_type or span.message or "failed")
    if row.orphan and row.lines:
        said.append("its parent is missing")
    return [shown(each)[:MAX_NOTE_CHARACTERS] for each in said]


def document(trace: Trace) -> dict[str, Any]:
    """The same for programs; times in milliseconds since the trace began."""
    path = critical_path(trace)
    start = adjusted(trace).start_ns
    return {
        "trace_id": trace.trace_id,
        "services": trace.services,
        "span_count": len(trace.spans),
        "took_ms": round((trace.end_ns - trace.start_ns) / 1e6, 3),
        "answered_ms": round(sum(each.duration_ns for each in path) / 1e6, 3),
        "critical_path": [
            {
                "span_id": each.span_id,
                "start_ms": round((each.start_ns - start) / 1e6, 3),
                "took_ms": round(each.duration_ns / 1e6, 3),
            }
            for each in path
        ],
        "spans": [_described(row) for row in rows(trace)],
    }


def _described(row: Row) -> dict[str, Any]:
    span = row.span
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "start_ms": round(row.start_ms, 3),
        "took_ms": round(row.took_ms, 3),
        "path_ms": round(row.path_ms, 3),
        "detached": row.detached,
        "failed": span.failed,
        "error_type": span.error_type,
        "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links],
        "attributes": dict(span.attributes),
    }
