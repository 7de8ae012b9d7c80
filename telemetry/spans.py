"""A trace as it is read back: plain values, whichever store they come from.

    trace = read(otlp)            # one {"resourceSpans": [...]} of OTLP's JSON may hold several traces
    trace.spans                   # by start; each with service, name, kind, attributes, links, events
    trace.span(span_id)           # None when it is not there

Times are nanoseconds since 1970 by the clock of the machine that made the span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

Value: TypeAlias = str | int | float | bool | list["Value"]
Kind = Literal["internal", "server", "client", "producer", "consumer"]

_KINDS: tuple[Kind, ...] = ("internal", "internal", "server", "client", "producer", "consumer")
_ERROR = 2


@dataclass(frozen=True)
class Link:
    """A span that caused this one without waiting for it; it may be of another trace."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Event:
    """Something that happened at one moment of a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """One piece of work. `parent_id` is empty for a root; `resource` describes the process."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: Kind
    start_ns: int
    end_ns: int
    failed: bool = False
    message: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    resource: Mapping[str, Value] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    @property
    def process(self) -> str:
        """What tells the clocks of spans apart: the instance, else the service."""
        return str(self.resource.get("service.instance.id") or self.resource.get("host.name") or self.service)

    @property
    def error_type(self) -> str:
        """What went wrong, as a word of few; empty when nothing did or nobody said."""
        return str(self.attributes.get("error.type", ""))


@dataclass(frozen=True)
class Trace:
    """The spans of one trace that a store has so far, by start."""

    trace_id: str
    spans: tuple[Span, ...]

    @cached_property
    def _by_id(self) -> Mapping[str, Span]:
        return {span.span_id: span for span in self.spans}

    def span(self, span_id: str) -> Span | None:
        return self._by_id.get(span_id)

    @property
    def services(self) -> list[str]:
        """Sorted, each once."""
        return sorted({span.service for span in self.spans})

    @property
    def start_ns(self) -> int:
        return min((span.start_ns for span in self.spans), default=0)

    @property
    def end_ns(self) -> int:
        """When its last span ended, which may be long after its first one did."""
        return max((span.end_ns for span in self.spans), default=0)

    @property
    def failed(self) -> bool:
        return any(span.failed for span in self.spans)


def read(otlp: Mapping[str, Any]) -> list[Trace]:
    """The traces in OTLP's JSON, newest first; a span that is there twice counts once.

    Raises ValueError for what is not OTLP.
    """
    found: dict[str, dict[str, Span]] = {}
    try:
        for resource in otlp.get("resourceSpans") or ():
            for span in _spans(resource):
                found.setdefault(span.trace_id, {})[span.span_id] = span
    except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"not OTLP: {type(error).__name__} {error}") from error
    traces = [trace_of(spans.values()) for spans in found.values()]
    return sorted(traces, key=lambda trace: trace.start_ns, reverse=True)


def trace_of(spans: Iterable[Span]) -> Trace:
    """A trace of these spans, at least one."""
    ordered = tuple(sorted(spans, key=lambda span: (span.start_ns, -span.end_ns)))
    return Trace(ordered[0].trace_id, ordered)


def _spans(entry: Mapping[str, Any]) -> Iterator[Span]:
    resource = _attributes((entry.get("resource") or {}).get("attributes"))
    service = str(resource.get("service.name", "(unknown)"))
    for scope in entry.get("scopeSpans") or ():
        for raw in scope.get("spans") or ():
            status = raw.get("status") or {}
            yield Span(
                trace_id=raw["traceId"],
                span_id=raw["spanId"],
                parent_id=raw.get("parentSpanId") or "",
                service=service,
                name=raw.get("name", ""),
                kind=_KINDS[int(raw.get("kind", 0))],
                start_ns=int(raw["startTimeUnixNano"]),
                end_ns=int(raw["endTimeUnixNano"]),
                failed=int(status.get("code", 0)) == _ERROR,
                message=str(status.get("message", "")),
                attributes=_attributes(raw.get("attributes")),
                resource=resource,
                links=tuple(Link(link["traceId"], link["spanId"]) for link in raw.get("links") or ()),
                events=tuple(map(_event, raw.get("events") or ())),
            )


def _event(raw: Mapping[str, Any]) -> Event:
    return Event(str(raw.get("name", "")), int(raw["timeUnixNano"]), _attributes(raw.get("attributes")))


def _attributes(raw: Any) -> dict[str, Value]:
    return {entry["key"]: _value(entry.get("value") or {}) for entry in raw or ()}


def _value(raw: Mapping[str, Any]) -> Value:
    for kind, value in raw.items():
        if kind == "intValue":
            return int(value)
        if kind == "arrayValue":
            return [_value(each) for each in value.get("values") or ()]
        if kind in ("stringValue", "boolValue", "doubleValue"):
            return cast(Value, value)
        return str(value)
    return ""
