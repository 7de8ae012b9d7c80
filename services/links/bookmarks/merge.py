"""The same address again in one file: merged on disk, so that memory stays bounded.

SQLite's unnamed database is a temporary file that is deleted when it is opened, so nothing is left behind
whatever happens; what it keeps in memory is its cache.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from services.links.domain import MAX_TAGS
from services.links.urls import host_of

from .messages import Contents, Shortened
from .model import MAX_ENTRIES, Bookmark, Entry, Skipped, UnknownFormat

CACHE_KIB = 16 * 1024
# Entries of one SQLite transaction, and how often progress can be told.
STEP = 1_000
BATCH_ROWS = 1_000
BATCH_CHARACTERS = 1 << 20
# Of each kind of notice this many are listed; all are counted.
MAX_LISTED = 1_000

_SCHEMA = """
    CREATE TABLE bookmarks (
        place INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, url TEXT NOT NULL, title TEXT NOT NULL,
        note TEXT NOT NULL, tags TEXT NOT NULL, private INTEGER NOT NULL, to_read INTEGER NOT NULL,
        created_at INTEGER, cut INTEGER NOT NULL, notes TEXT NOT NULL, archived INTEGER NOT NULL)"""
# One entry, at the place of the first: tags united, the earliest date, the first title and the first note
# that are not empty, private if any is, to read if any is, archived if all are.
_MERGE = """
    INSERT INTO bookmarks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (digest) DO UPDATE SET
        title = CASE WHEN title = '' THEN excluded.title ELSE title END,
        note = CASE WHEN note = '' THEN excluded.note ELSE note END,
        tags = CASE WHEN tags = excluded.tags THEN tags ELSE united(tags, excluded.tags) END,
        private = max(private, excluded.private),
        to_read = max(to_read, excluded.to_read),
        created_at = min(
            coalesce(created_at, excluded.created_at), coalesce(excluded.created_at, created_at)),
        cut = max(cut, excluded.cut),
        notes = CASE WHEN notes = '' THEN excluded.notes ELSE notes END,
        archived = min(archived, excluded.archived)"""
_COUNT_TAGS = "length(tags) - length(replace(tags, ' ', '')) + 1"
_SHORTENED = f"FROM bookmarks WHERE cut OR {_COUNT_TAGS} > {MAX_TAGS}"
_IN_ORDER = """
    SELECT place, url, title, note, tags, private, to_read, created_at, notes, archived
    FROM bookmarks WHERE place > ? ORDER BY place"""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A link to write; `tags` are joined by blanks, which no tag contains, `created_at` is in seconds."""

    place: int
    url: str
    host: str
    title: str
    note: str
    tags: str
    private: bool
    to_read: bool
    created_at: int | None
    notes: str
    archived: bool


class Merged:
    """The entries of one file, one for each address. To be filled once, then read; closed by `close()`."""

    def __init__(self) -> None:
        self.entries = 0
        self.skipped = 0
        self.skipped_entries: list[Skipped] = []
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};"
        )
        self._db.create_function("united", 2, _united, deterministic=True)
        self._db.execute(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def fill(self, entries: Iterable[Entry]) -> Iterator[int]:
        """Merge the entries in, in their order; yields the number of those read, now and then.

        Raises UnknownFormat for a file with more entries than any that is real.
        """
        source = iter(entries)
        while step := list(islice(source, STEP)):
            self.entries += len(step)
            if self.entries > MAX_ENTRIES:
                raise UnknownFormat(f"The file has more than {MAX_ENTRIES:,} entries.")
            self._db.execute("BEGIN")
            self._db.executemany(_MERGE, (_stored(entry) for entry in step if isinstance(entry, Bookmark)))
            self._db.execute("COMMIT")
            for entry in step:
                if isinstance(entry, Skipped):
                    self.skipped += 1
                    if len(self.skipped_entries) < MAX_LISTED:
                        self.skipped_entries.append(entry)
            yield self.entries

    def contents(self, found: str) -> Contents:
        (links,) = self._db.execute("SELECT count(*) FROM bookmarks").fetchone()
        (shortened,) = self._db.execute(f"SELECT count(*) {_SHORTENED}").fetchone()
        listed = self._db.execute(f"SELECT place, url {_SHORTENED} ORDER BY place LIMIT {MAX_LISTED}")
        return Contents(
            format=found,
            entries=self.entries,
            links=links,
            skipped=self.skipped,
            skipped_entries=self.skipped_entries,
            shortened=shortened,
            shortened_entries=[Shortened(*row) for row in listed],
        )

    def batches(self, after: int = 0) -> Iterator[list[Row]]:
        """The links in file order, those of a place after `after`, in lists of bounded size."""
        batch: list[Row] = []
        characters = 0
        for entry in self._db.execute(_IN_ORDER, (after,)):
            place, url, title, note, tags, private, to_read, created_at, notes, archived = entry
            kept = " ".join(tags.split(" ")[:MAX_TAGS])
            row = Row(
                place,
                url,
                host_of(url),
                title or url[:1000],
                note,
                kept,
                bool(private),
                bool(to_read),
                created_at,
                notes,
                bool(archived),
            )
            batch.append(row)
            characters += len(url) + len(title) + len(note) + len(tags) + len(notes)
            if len(batch) == BATCH_ROWS or characters > BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
        if batch:
            yield batch


def _stored(bookmark: Bookmark) -> tuple[object, ...]:
    return (
        bookmark.place,
        hashlib.blake2b(bookmark.url.encode(), digest_size=16).digest(),
        bookmark.url,
        bookmark.title,
        bookmark.note,
        " ".join(bookmark.tags),
        bookmark.private,
        bookmark.to_read,
        bookmark.created_at,
        bookmark.cut,
        bookmark.notes,
        bookmark.archived,
    )


def _united(first: str, second: str) -> str:
    return " ".join(sorted({*first.split(" "), *second.split(" ")} - {""}))
