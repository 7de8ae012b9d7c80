"""The process that reads one file: `python -m services.links.bookmarks.reader OPTIONS AFTER < file`.

Reading is seconds of pure computing on bytes that somebody sent. In a process of its own it neither holds up
the requests of others nor can it take more memory, disk or time than its limits; it is given no secrets.
It writes messages to its standard output, each with its length in four bytes before it: Reading now and
then, Contents once, then Batch by Batch, and End. Refused ends a file that is none.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
import time
from typing import BinaryIO, TypeAlias

import msgspec

from . import files
from .merge import Merged, Row
from .messages import Contents
from .model import Options, UnknownFormat

PROGRESS_EVERY_S = 0.2
NICENESS = 10
# A file of 256 MiB needs a sixth of this memory and a quarter of this time; both stop what no file does.
MAX_MEMORY_BYTES = 1 << 30
MAX_FILE_BYTES = 4 << 30
MAX_CPU_S = 600
LENGTH = struct.Struct(">I")


class Reading(msgspec.Struct, frozen=True, tag=True):
    """So many entries were read, up to this byte of the file."""

    entries: int
    bytes: int


class Found(msgspec.Struct, frozen=True, tag=True):
    contents: Contents


class Batch(msgspec.Struct, frozen=True, tag=True):
    rows: list[Row]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The file is no bookmark file; `detail` is a sentence for its owner."""

    detail: str


class End(msgspec.Struct, frozen=True, tag=True):
    pass


Message: TypeAlias = Reading | Found | Batch | Refused | End


def run(file: BinaryIO, options: Options, after: int, out: BinaryIO) -> None:
    """Read `file` and tell of it to `out`; batches begin after the place `after`."""
    merged = Merged()
    told_at = time.monotonic()
    try:
        found, entries = files.read(file, options)
        for read in merged.fill(entries):
            if time.monotonic() - told_at > PROGRESS_EVERY_S:
                told_at = time.monotonic()
                _send(out, Reading(read, file.tell()))
    except UnknownFormat as error:
        _send(out, Refused(str(error)))
        return
    _send(out, Found(merged.contents(found)))
    for rows in merged.batches(after):
        _send(out, Batch(rows))
    _send(out, End())
    merged.close()


def _send(out: BinaryIO, message: Message) -> None:
    encoded = msgspec.msgpack.encode(message)
    out.write(LENGTH.pack(len(encoded)) + encoded)
    out.flush()


def _bound() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    _bound()
    options = msgspec.json.decode(sys.argv[1], type=Options)
    try:
        run(sys.stdin.buffer, options, int(sys.argv[2]), sys.stdout.buffer)
    except BrokenPipeError:
        # Nobody listens any more: the import was given up.
        os._exit(1)


if __name__ == "__main__":
    main()
