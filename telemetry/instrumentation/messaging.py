"""Messages: the span of what is published for work that went on, and of what a consumer does about it.

An event carries the context of the work that caused it (`cause`); its message, that of its publication. So
a consumer's span hangs below the publication's, and that below the cause; both are linked to the cause, which
waited for neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Link, Span, SpanKind

from telemetry.recording import Recorder
from telemetry.traces import beside, error_name, fail, read, serving

SYSTEM = "nats"


@dataclass(frozen=True)
class Message:
    """What is known of a message: where to (`stream` is of few), which event, and whose trace."""

    stream: str
    subject: str
    event_id: str
    event_type: str
    source: str
    cause: str
    size_bytes: int
    host: str
    port: int

    def attributes(self, operation: str, kind: str) -> dict[str, str | int]:
        return {
            "messaging.system": SYSTEM,
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.destination.name": self.subject,
            "messaging.destination.template": self.stream,
            "messaging.message.id": self.event_id,
            "messaging.message.body.size": self.size_bytes,
            "server.address": self.host,
            "server.port": self.port,
            "cloudevents.event_id": self.event_id,
            "cloudevents.event_source": self.source,
            "cloudevents.event_type": self.event_type,
        }


def publishing(message: Message, recorder: Recorder | None) -> Span | None:
    """The span of a publication that begins now, when its cause is sampled; `published` ends it."""
    if not message.cause or recorder is None:
        return None
    known = message.attributes("publish", "send")
    return beside(f"publish {message.stream}", message.cause, recorder, known, SpanKind.PRODUCER)


def lost(span: Span | None, error: BaseException) -> None:
    """End the span of a publication that did not come about."""
    if span is not None:
        fail(span, error_name(error))
        span.end()


def published(span: Span, acknowledged: asyncio.Future[object]) -> None:
    """End a publication's span as the broker has answered."""
    if acknowledged.cancelled():
        fail(span, error_name(asyncio.CancelledError()))
    elif (error := acknowledged.exception()) is not None:
        fail(span, error_name(error))
    span.end()


@contextmanager
def processing(
    message: Message, publication: str, consumer: str, attempt: int, recorder: Recorder | None
) -> Iterator[Span | None]:
    """Handle an event in the block: below its publication, if that is known, else below its cause."""
    cause = read(message.cause)
    known: dict[str, str | int] = {}
    if recorder is not None and cause is not None and cause.trace_flags.sampled:
        known = message.attributes("process", "process") | {"messaging.consumer.group.name": consumer}
        if attempt > 1:
            known["delinkcious.message.attempt"] = attempt
    with serving(
        f"process {message.stream}",
        publication or message.cause,
        recorder,
        0.0,
        known,
        kind=SpanKind.CONSUMER,
        links=() if cause is None else (Link(cause),),
    ) as span:
        yield span
