"""Positions in a list of news, and what is done with lists of them; no I/O.

A position is 24 bytes that sort as the news do: the link's time in microseconds, its id, its owner. A list of
them is compared, cut and merged without a look at the links themselves.
"""

from __future__ import annotations

import datetime as dt
import heapq
import struct
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

# Followers see the beginning of a note; the whole is behind the link.
MAX_NOTE_CHARACTERS = 280
MAX_TAGS = 20
_LAYOUT = struct.Struct(">QQQ")
_VERSION = struct.Struct(">Q")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# Times before 1970 sort too.
_OFFSET = 2**63
# A kept list is this much longer than what is shown of it, so that a removal does not leave a gap at once.
SLACK_PARTS = 4


class LinkState(msgspec.Struct, frozen=True):
    """A link after a change; private ones are read to know what must not be shown."""

    id: int
    owner_id: int
    url: str
    title: str
    note: str
    tags: list[str]
    private: bool
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int


class Item(msgspec.Struct, frozen=True, array_like=True):
    """What followers see of a link."""

    url: str
    title: str
    note: str
    tags: list[str]
    created_at: dt.datetime
    updated_at: dt.datetime


class Entry(msgspec.Struct, frozen=True):
    """An item at its place."""

    position: bytes
    item: Item


class Cursor(msgspec.Struct, frozen=True):
    """The last item shown, and how many were shown up to there: no more than the cap are, in all."""

    position: bytes
    shown: int


def position(link: LinkState) -> bytes:
    """Where a link stands. A date in the future does not put it above what others save until then."""
    return place(min(link.created_at, link.updated_at), link.id, link.owner_id)


def place(time: dt.datetime, link_id: int = 0, owner_id: int = 0) -> bytes:
    """The position of a link with that time; without an id: below all of the same time."""
    return _LAYOUT.pack((time - _EPOCH) // _MICROSECOND + _OFFSET, link_id, owner_id)


def earlier(at: bytes, by: dt.timedelta) -> bytes:
    """Below every link that is older than the one at a position by more than `by`."""
    return _LAYOUT.pack(max(0, int(_LAYOUT.unpack(at)[0]) - by // _MICROSECOND), 0, 0)


def is_position(value: bytes) -> bool:
    return len(value) == _LAYOUT.size


def link_of(at: bytes) -> int:
    return int(_LAYOUT.unpack(at)[1])


def owner_of(at: bytes) -> int:
    return int(_LAYOUT.unpack(at)[2])


def sortable(version: int) -> bytes:
    """A version as a text that sorts as the number does."""
    return _VERSION.pack(version)


def body(link: LinkState) -> bytes:
    """What is kept of a public link, for its followers."""
    note = link.note[:MAX_NOTE_CHARACTERS]
    # A tag that begins with a dot is its owner's own.
    public = [tag for tag in link.tags if not tag.startswith(".")]
    return msgspec.msgpack.encode(
        Item(link.url, link.title, note, public[:MAX_TAGS], link.created_at, link.updated_at)
    )


def entry(at: bytes, record: bytes | None) -> Entry | None:
    """The item behind a position, from the record of its link; None when the link is no longer there."""
    if record is None or record[: _LAYOUT.size] != at:
        return None
    return Entry(at, msgspec.msgpack.decode(record[_LAYOUT.size + _VERSION.size :], type=Item))


def bound(cap: int) -> int:
    """How long a kept list may become."""
    return cap + max(1, cap // SLACK_PARTS)


def merged(lists: Iterable[Sequence[bytes]], most: int) -> list[bytes]:
    """The newest `most` positions of lists that are sorted from the newest on, each once."""
    distinct: list[bytes] = []
    for at in heapq.merge(*lists, reverse=True):
        if not distinct or at != distinct[-1]:
            if len(distinct) == most:
                break
            distinct.append(at)
    return distinct


def newest(lists: Iterable[Iterable[bytes]], most: int) -> list[bytes]:
    """The newest `most` positions of lists in any order, none twice, sorted from the newest on."""
    return list(islice(sorted({at for each in lists for at in each}, reverse=True), most))


class Unseen:
    """What a watcher has not been shown yet.

    Events of different authors overtake each other, so something older than the newest shown may still be
    new: everything above a horizon is, once. The horizon follows the clock at a distance of `patience`.
    """

    def __init__(self, horizon: bytes, seen: Iterable[bytes]) -> None:
        self.horizon = horizon
        self._seen = set(seen)

    def of(self, entries: Sequence[Entry], horizon: bytes) -> list[Entry]:
        """Those to show now, the oldest first; `horizon` moves on and never back."""
        fresh = [each for each in entries if each.position > self.horizon and each.position not in self._seen]
        self._seen.update(each.position for each in fresh)
        if horizon > self.horizon:
            self.horizon = horizon
            self._seen = {at for at in self._seen if at > horizon}
        return sorted(fresh, key=lambda each: each.position)
