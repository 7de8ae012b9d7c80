"""The events that some consumer had not handled: read from the stream, given back by the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import asyncpg
import nats.js.errors
from nats.js import JetStreamContext

from delinkcious.backup.snapshots import Moment
from services.kit.events import bus, envelope
from services.kit.events.envelope import Event, InvalidEvent

# With the sequence that they had: before those of the same user that had not been published. What was
# published and is in the outbox all the same is there already.
GIVE_BACK = """
    INSERT INTO outbox (sequence, id, key, type, data, traceparent, created_at)
    OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7)
    ON CONFLICT (sequence) DO NOTHING"""


async def floors(jetstream: JetStreamContext) -> dict[str, int]:
    """Up to where every consumer of a subject has handled everything, by subject."""
    last = (await jetstream.stream_info(bus.EVENTS)).state.last_seq
    found: dict[str, int] = {}
    for info in await jetstream.consumers_info(bus.EVENTS):
        waits = info.num_pending or info.num_ack_pending
        handled = last
        if waits:
            handled = info.ack_floor.stream_seq if info.ack_floor else 0
        for subject in info.config.filter_subjects or [info.config.filter_subject or ""]:
            if subject.startswith("events."):  # and not what a person lets one consumer handle again
                found[subject] = min(handled, found.get(subject, last))
    return found


async def since(jetstream: JetStreamContext, handled: Mapping[str, int]) -> list[bytes]:
    """Every event behind those, as it was published, in the order of the stream."""
    found: dict[int, bytes] = {}
    for subject, number in handled.items():
        following = number + 1
        while True:
            try:
                message = await jetstream.get_msg(bus.EVENTS, following, subject=subject, next=True)
            except nats.js.errors.NotFoundError:
                break
            assert message.seq is not None  # noqa: S101 - the server says where it is
            found[message.seq] = message.data or b""
            following = message.seq + 1
    return [found[number] for number in sorted(found)]


def known(bodies: Iterable[bytes], moments: Mapping[str, Moment]) -> Iterator[bytes]:
    """Those whose cause is in the backup; what came later tells of what is not there."""
    for body in bodies:
        try:
            event = envelope.decode(body)
        except InvalidEvent:
            continue
        moment = moments.get(owner(event))
        if moment is not None and event.time <= moment.at:
            yield envelope.encode(event)


def owner(event: Event) -> str:
    """Whose database it is from."""
    return event.source.rpartition("/")[2]


def read(file: Path) -> Iterator[Event]:
    """The events of a backup. Raises InvalidEvent."""
    for line in file.read_bytes().splitlines():
        yield envelope.decode(line)


async def give_back(connection: asyncpg.Connection, events: Iterable[Event]) -> None:
    """Let them be published again under their own ids, so that who has handled one does not again."""
    rows = [
        (
            int(each.sequence),
            each.id,
            each.key,
            each.type,
            bytes(each.data).decode(),
            each.traceparent,
            each.time,
        )
        for each in events
    ]
    await connection.executemany(GIVE_BACK, rows)
