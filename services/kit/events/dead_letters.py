"""Events that a consumer gave up: kept in a stream of their own, to be replayed or dropped by a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import msgspec
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import Header

from services.kit.events import bus, envelope
from services.kit.events.envelope import InvalidEvent

MAX_REASON_CHARACTERS = 500
_CONSUMER, _REASON, _ATTEMPTS, _SUBJECT = "Dead-Consumer", "Dead-Reason", "Dead-Attempts", "Dead-Subject"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One event that `consumer` gave up after `attempts`; `event` is what was published, whole."""

    number: int
    consumer: str
    reason: str
    attempts: int
    subject: str
    dead_at: dt.datetime | None
    type: str | None
    id: str | None
    event: str


class NoSuchLetter(LookupError):
    """No dead letter has this number."""


def replayed(consumer: str, partition: int) -> str:
    """The subject on which one consumer, and no other, gets an event again."""
    return f"replay.{consumer}.{partition}"


async def keep(jetstream: JetStreamContext, consumer: str, message: Msg, attempts: int, reason: str) -> None:
    """Store what `consumer` gives up; twice the same is once. Raises nats' errors."""
    headers = {
        Header.MSG_ID.value: f"{consumer}:{message.metadata.sequence.stream}",
        _CONSUMER: consumer,
        _REASON: " ".join(reason.split())[:MAX_REASON_CHARACTERS],
        _ATTEMPTS: str(attempts),
        _SUBJECT: message.subject,
    }
    await jetstream.publish(f"dead.{consumer}", message.data, headers=headers, timeout=bus.TIMEOUT_S)


async def letters(jetstream: JetStreamContext, after: int = 0) -> AsyncIterator[DeadLetter]:
    """Every dead letter, oldest first; those with a number above `after`."""
    state = (await jetstream.stream_info(bus.DEAD_LETTERS)).state
    for number in range(max(state.first_seq, after + 1), state.last_seq + 1):
        try:
            yield await letter(jetstream, number)
        except NoSuchLetter:
            continue


async def letter(jetstream: JetStreamContext, number: int) -> DeadLetter:
    """One of them. Raises NoSuchLetter."""
    try:
        raw = await jetstream.get_msg(bus.DEAD_LETTERS, number)
    except nats.js.errors.NotFoundError:
        raise NoSuchLetter(f"no dead letter has the number {number}") from None
    headers, body = raw.headers or {}, raw.data or b""
    try:
        event = envelope.decode(body)
    except InvalidEvent:
        event = None
    return DeadLetter(
        number=number,
        consumer=headers.get(_CONSUMER, ""),
        reason=headers.get(_REASON, ""),
        attempts=int(headers.get(_ATTEMPTS, "0")),
        subject=headers.get(_SUBJECT, ""),
        dead_at=raw.time,
        type=event.type if event else None,
        id=event.id if event else None,
        event=body.decode(errors="replace"),
    )


async def replay(jetstream: JetStreamContext, number: int) -> DeadLetter:
    """Give it to its consumer once more, and take it from here. Raises NoSuchLetter, nats' errors."""
    found = await letter(jetstream, number)
    raw = await jetstream.get_msg(bus.DEAD_LETTERS, number)
    parts = found.subject.split(".")
    partition = int(parts[1] if parts[0] == "events" else parts[2])
    await jetstream.publish(
        replayed(found.consumer, partition),
        raw.data or b"",
        headers={Header.MSG_ID.value: f"replay:{number}"},
        timeout=bus.TIMEOUT_S,
    )
    await jetstream.delete_msg(bus.DEAD_LETTERS, number)
    return found


async def drop(jetstream: JetStreamContext, number: int) -> DeadLetter:
    """Forget it for good; returns what it was. Raises NoSuchLetter, nats' errors."""
    found = await letter(jetstream, number)
    await jetstream.delete_msg(bus.DEAD_LETTERS, number)
    return found
