"""Spans as they are recorded, by OpenTelemetry's interface, at a fifth of what its SDK's spans take.

The SDK decides a second time whether to sample, cleans every attribute behind a lock, and copies each span at
its end. Here attributes come from this repository's own instrumentation, are set by one task, and are judged
when they are sent, in the exporter's thread.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

Attributes = Mapping[str, AttributeValue]

SAMPLED = TraceFlags(TraceFlags.SAMPLED)

_now = time.time_ns


def new_context(flags: TraceFlags, trace_id: int = 0) -> SpanContext:
    """The context of a new span: of this trace, or of a new one."""
    return SpanContext(
        # An id has to be unlikely, not secret. This generator begins anew in a process that was forked.
        trace_id or random.getrandbits(128) or 1,
        random.getrandbits(64) or 1,
        is_remote=False,
        trace_flags=flags,
    )


def chance() -> float:
    """A number from 0 up to 1, by which a share of requests is chosen."""
    return random.random()  # noqa: S311 - guards nothing


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one moment of a span (nanoseconds since 1970)."""

    name: str
    timestamp: int
    attributes: Attributes


class Recording(Span):
    """A span on its way: open until `end`, then handed on once and not changed any more.

    Times are nanoseconds since 1970. What is set after the end is ignored, as the interface has it.
    """

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        links: tuple[Link, ...],
    ) -> None:
        self.name = name
        self.parent = parent
        self.kind = kind
        self.links = links
        self.attributes: dict[str, AttributeValue] = dict(attributes)
        self.events: list[Event] = []
        self.status_code = StatusCode.UNSET
        self.end_time = 0
        self._recorder = recorder
        self._context = new_context(SAMPLED, parent.trace_id if parent else 0)
        self.start_time = _now()

    def end(self, end_time: int | None = None) -> None:
        if not self.end_time:
            self.end_time = end_time or _now()
            self._recorder.keep(self)

    def get_span_context(self) -> SpanContext:
        return self._context

    def is_recording(self) -> bool:
        return not self.end_time

    def set_attributes(self, attributes: Attributes) -> None:
        if not self.end_time:
            self.attributes.update(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if not self.end_time:
            self.attributes[key] = value

    def update_name(self, name: str) -> None:
        if not self.end_time:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Its code; a description may be somebody's data, so none is kept."""
        if not self.end_time:
            self.status_code = status.status_code if isinstance(status, Status) else status

    def add_event(
        self, name: str, attributes: Attributes | None = None, timestamp: int | None = None
    ) -> None:
        if not self.end_time:
            self.events.append(Event(name, timestamp or _now(), dict(attributes or {})))

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Its kind; what it says may be somebody's data."""
        known = {"exception.type": type(exception).__qualname__, **(attributes or {})}
        self.add_event("exception", known, timestamp)


@dataclass(frozen=True)
class Recorder:
    """Makes the spans of one process; `keep` gets each one that has ended.

    `shutdown` sends what is left, in a few seconds at most; it blocks.
    """

    keep: Callable[[Recording], None]
    shutdown: Callable[[], None] = lambda: None

    def begin(
        self,
        name: str,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        links: tuple[Link, ...] = (),
    ) -> Recording:
        """A span below `parent`; of a new trace without one."""
        return Recording(self, name, parent, kind, attributes, links)

    def child(self, name: str, kind: SpanKind, attributes: Attributes) -> Recording:
        """A span below the one that is being worked on."""
        parent = trace.get_current_span().get_span_context()
        return Recording(self, name, parent if parent.is_valid else None, kind, attributes, ())
