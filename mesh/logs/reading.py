"""What the files hold, merged by time; and what comes, as soon as it is written."""

from __future__ import annotations

import heapq
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from mesh.logs.entry import RANK, Entry, read
from mesh.logs.sources import Source

POLL_S = 0.2
# Envoy writes its lines out five times a second: so long a line may come after one that is younger.
HELD_S = 0.5
LOOK_AGAIN_S = 1.0
BLOCK_BYTES = 64 * 1024

_BY_TIME = attrgetter("time_s")


@dataclass(frozen=True)
class Filter:
    """Which entries are wanted; an empty field wants all."""

    level: str = ""
    trace: str = ""
    since_s: float = 0.0
    text: str = ""
    until_s: float = math.inf

    @property
    def wants_all(self) -> bool:
        bounded = self.since_s or self.until_s < math.inf
        return not (self.level or self.trace or self.text or bounded)

    def __call__(self, entry: Entry) -> bool:
        if self.level and RANK[entry.level] < RANK[self.level]:
            return False
        if not self.since_s <= entry.time_s <= self.until_s:
            return False
        return not self.trace or entry.trace_id.startswith(self.trace) or self.trace in entry.event


def history(sources: list[Source], wanted: Filter, last: int | None = None) -> list[Entry]:
    """What is written already, in order of time; only the `last` so many."""
    tail = last if wanted.wants_all else None
    streams = [_entries(source, file, wanted, tail) for source in sources for file in source.files()]
    merged = heapq.merge(*streams, key=_BY_TIME)
    return list(deque(merged, maxlen=last))


def _entries(source: Source, file: Path, wanted: Filter, tail: int | None) -> Iterator[Entry]:
    try:
        changed_s = file.stat().st_mtime
        lines = _tail(file, tail) if tail is not None else _lines(file)
        before = None
        for line in lines:
            # Most lines of a long log are of other traces: they need not be read to know that.
            if any(mark.encode() not in line for mark in (wanted.trace, wanted.text)):
                continue
            before = read(line.decode(errors="replace"), source, before, changed_s)
            if wanted(before):
                yield before
    except FileNotFoundError:
        # A restart has just moved it.
        return


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        for line in stream:
            if stripped := line.rstrip(b"\r\n"):
                yield stripped


def _tail(file: Path, count: int) -> list[bytes]:
    """The last lines of a file, without reading what comes before."""
    with file.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        data = b""
        while end > 0 and data.count(b"\n") <= count:
            begin = max(0, end - BLOCK_BYTES)
            stream.seek(begin)
            data = stream.read(end - begin) + data
            end = begin
    lines = [line for line in data.splitlines() if line]
    return lines[-count:] if count else []


@dataclass
class Tailed:
    """A file that is followed: how far it was read, and the beginning of its unfinished line."""

    source: Source
    inode: int = 0
    offset: int = 0
    rest: bytes = b""
    before: Entry | None = field(default=None, repr=False)

    def fresh(self) -> Iterator[Entry]:
        """What was written since the last look, also when the file was replaced or emptied meanwhile."""
        try:
            with self.source.current.open("rb") as stream:
                status = os.fstat(stream.fileno())
                if status.st_ino != self.inode or status.st_size < self.offset:
                    self.inode, self.offset, self.rest = status.st_ino, 0, b""
                stream.seek(self.offset)
                data = stream.read()
        except FileNotFoundError:
            return
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if stripped := line.rstrip(b"\r"):
                self.before = read(stripped.decode(errors="replace"), self.source, self.before, time.time())
                yield self.before

    def skip(self) -> None:
        """Begin at the end of what is there."""
        try:
            status = self.source.current.stat()
        except FileNotFoundError:
            return
        self.inode, self.offset = status.st_ino, status.st_size


def follow(find: Callable[[], list[Source]], wanted: Filter, known: list[Tailed]) -> Iterator[Entry]:
    """What comes, in order of time as far as it comes in time; processes that start later are included."""
    files = {tailed.source.current: tailed for tailed in known}
    held: list[Entry] = []
    looked_s = 0.0
    while True:
        if time.monotonic() - looked_s > LOOK_AGAIN_S:
            looked_s = time.monotonic()
            for source in find():
                files.setdefault(source.current, Tailed(source))
        held += [entry for tailed in files.values() for entry in tailed.fresh() if wanted(entry)]
        held.sort(key=_BY_TIME)
        due_s = time.time() - HELD_S
        while held and held[0].time_s <= due_s:
            yield held.pop(0)
        time.sleep(POLL_S)
