"""Tracing that costs nothing when a request is not sampled, and never loses the trace id.

The edge decides whether a request is sampled and says so in `traceparent`; the decision is respected. An
unsampled request gets a context but no span: logs and outgoing calls carry its trace id all the same. A
sampled one carries in its context what makes spans, so that whatever it does (`instrumentation/`) can be seen
without being told, and what is done for nobody makes none.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from telemetry.recording import SAMPLED, Attributes, Recorder, chance, new_context

TRACEPARENT = "traceparent"
# What went wrong, as one word of few: a problem's type, a status, the name of an exception.
ERROR_TYPE = "error.type"

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII)
_RECORDER = context.create_key("recorder")
MAX_STACK_FRAMES = 12

_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


def current_trace_id() -> str:
    """The trace id of the request being handled: 32 hexadecimal digits; empty outside of one."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.trace_id else ""


def current_span_id() -> str:
    """The span that is being worked on: 16 hexadecimal digits; empty outside of one."""
    span = trace.get_current_span().get_span_context()
    return f"{span.span_id:016x}" if span.span_id else ""


def current_traceparent() -> str:
    """The header that an outgoing call carries on; empty outside of a request."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: Span) -> str:
    """The header of what is done for `span`."""
    there = span.get_span_context()
    return f"00-{there.trace_id:032x}-{there.span_id:016x}-{there.trace_flags:02x}" if there.trace_id else ""


def read(traceparent: str) -> SpanContext | None:
    """What a header says; None when it says nothing that can be followed."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Work in the trace that `traceparent` names, without a span; in one of its own when it names none."""
    attached = context.attach(_with(NonRecordingSpan(read(traceparent) or new_context(_UNSAMPLED))))
    try:
        yield
    finally:
        context.detach(attached)


class serving:
    """`with serving(...) as span:` does what somebody asked for, in the asker's trace.

    Gives its span when it is sampled, else None. `ratio`: the share of work without a traceparent that is
    sampled. `recorder` None: no spans. What ends the block is recorded as the span's error, unless `fail` has
    said more. A class, since every request passes here and a generator would take twice the time.
    """

    __slots__ = ("_attached", "_context", "_span")

    def __init__(
        self,
        name: str,
        traceparent: str,
        recorder: Recorder | None,
        ratio: float,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.SERVER,
        links: tuple[Link, ...] = (),
    ) -> None:
        parent = read(traceparent)
        sampled = parent.trace_flags.sampled if parent else chance() < ratio
        self._span: Span | None = None
        if sampled and recorder is not None:
            self._span = recorder.begin(name, parent, kind, attributes, links)
            self._context = _with(self._span, recorder)
        else:
            here = parent or new_context(SAMPLED if sampled else _UNSAMPLED)
            self._context = _with(NonRecordingSpan(here))

    def __enter__(self) -> Span | None:
        self._attached = context.attach(self._context)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        context.detach(self._attached)
        if self._span is not None:
            if error is not None:
                fail(self._span, error_name(error))
            self._span.end()


def current_recorder() -> Recorder | None:
    """What makes spans of the work at hand; None when that is not sampled."""
    return cast("Recorder | None", context.get_value(_RECORDER))


def beside(
    name: str,
    traceparent: str,
    recorder: Recorder | None,
    attributes: Attributes,
    kind: SpanKind,
) -> Span | None:
    """A span of what is done for work that went on without it: its child, and linked to it; or None."""
    cause = read(traceparent)
    if cause is None or recorder is None or not cause.trace_flags.sampled:
        return None
    return recorder.begin(name, cause, kind, attributes, (Link(cause),))


@contextmanager
def inside(name: str, attributes: Attributes | None = None) -> Iterator[None]:
    """A part of the work at hand that is worth a span of its own."""
    recorder = current_recorder()
    if recorder is None:
        yield
        return
    with ended(recorder.child(name, SpanKind.INTERNAL, attributes or {})):
        yield


@contextmanager
def ended(span: Span) -> Iterator[None]:
    """End `span` with the block, with what ends it as its error."""
    try:
        yield
    except BaseException as error:
        fail(span, error_name(error))
        raise
    finally:
        span.end()


def fail(span: Span, error_type: str) -> None:
    """Mark a span as failed. The first one who says why knows best."""
    if ERROR_TYPE not in (getattr(span, "attributes", None) or ()):
        span.set_attribute(ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR)


def refuse(error_type: str, *, failed: bool, cause: BaseException | None = None) -> None:
    """Note on the work at hand why its answer is no success; `failed`: through a fault of ours.

    Of `cause` its kind and where it came from are kept: what an exception says may be somebody's data.
    """
    span = trace.get_current_span()
    if not span.is_recording():
        return
    span.set_attribute(ERROR_TYPE, error_type)
    if failed:
        span.set_status(StatusCode.ERROR)
    if cause is not None:
        frames = traceback.format_tb(cause.__traceback__, -MAX_STACK_FRAMES)
        known = {"exception.type": error_name(cause), "exception.stacktrace": "".join(frames)}
        span.add_event("exception", known)


def error_name(error: BaseException) -> str:
    """The kind of an exception: as it says itself (`error_type`), else as its program calls it."""
    said = getattr(error, "error_type", None)
    if isinstance(said, str):
        return said
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _with(span: Span, recorder: Recorder | None = None) -> Context:
    # From an empty context: what a span around this one carries is not ours.
    base = Context() if recorder is None else Context({_RECORDER: recorder})
    return trace.set_span_in_context(span, base)
