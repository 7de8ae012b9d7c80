"""The envelope: CloudEvents 1.0 in JSON, with the extensions for tracing, partitioning and sequence.

An event's type ends in the major version of its data (`delinkcious.link.saved.v1`): fields may be added to a
version, and readers ignore those they don't know; anything else is a new version.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")

PREFIX = "delinkcious."
# More than the replicas a consumer will have; a user's events are all in one of them, in order.
PARTITIONS = 8


class InvalidEvent(ValueError):
    """What cannot be read as an event, now or ever."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event; `data` is the JSON of the struct that its type stands for.

    `sequence` (decimal) grows from event to event of one source with the same `partitionkey`.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: dt.datetime
    partitionkey: str
    sequence: str
    data: msgspec.Raw
    subject: str | None = None
    datacontenttype: str = "application/json"
    traceparent: str = ""

    @property
    def key(self) -> int:
        """The user whom it is about. Raises InvalidEvent."""
        if not (self.partitionkey.isascii() and self.partitionkey.isdigit() and len(self.partitionkey) < 20):
            raise InvalidEvent(f"partitionkey {self.partitionkey!r} is no user id")
        return int(self.partitionkey)


def decode(body: bytes) -> Event:
    """An event as it was published. Raises InvalidEvent."""
    try:
        return msgspec.json.decode(body, type=Event)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidEvent(f"not a CloudEvent: {error}") from error


def read(event: Event, kind: type[T]) -> T:
    """Its data as `kind`. Raises InvalidEvent."""
    try:
        return msgspec.json.decode(event.data, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidEvent(f"{event.type}: {error}") from error


def encode(event: Event) -> bytes:
    """The JSON format of CloudEvents."""
    return msgspec.json.encode(event)


def partition(key: int) -> int:
    """Which partition the events of a user are in: 0 to PARTITIONS - 1."""
    return key % PARTITIONS


def subject(event: Event) -> str:
    """Where it is published: `events.<partition>.<type>`."""
    return f"events.{partition(event.key)}.{event.type}"


def data_of(value: Any) -> msgspec.Raw:
    """A struct as the data of an event."""
    return msgspec.Raw(msgspec.json.encode(value))
