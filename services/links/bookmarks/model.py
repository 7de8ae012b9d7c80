"""What a bookmark file says, whichever program wrote it."""

from __future__ import annotations

from typing import Literal

import msgspec

Format = Literal["netscape", "pocket", "pinboard-json", "raindrop-csv"]

# A file that has more is refused: no browser gets there, and a file of empty entries could be anything.
MAX_ENTRIES = 2_000_000
# Kept of one text, in characters: notes may have 65,536, and each may be written as `&quot;`.
MAX_TEXT_CHARACTERS = 1 << 20


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner of the file may choose; `private` is for entries that say nothing about it."""

    folders: bool = True
    private: bool = False


class Bookmark(msgspec.Struct, frozen=True):
    """One accepted entry.

    `place` counts the file's entries from 1, skipped ones too; `url` is in its one form; `title` is empty
    where the file has none; `tags` are normalised, each once, sorted; `created_at` is in seconds since
    1970; `cut` tells that something was longer than a link may hold. `notes` and `archived` stand in files of
    our own only.
    """

    place: int
    url: str
    title: str
    note: str
    tags: tuple[str, ...]
    private: bool
    to_read: bool
    created_at: int | None
    cut: bool = False
    notes: str = ""
    archived: bool = False


class Skipped(msgspec.Struct, frozen=True):
    """An entry that cannot be a link, its address as decoded and trimmed.

    `reason` is `missing-url`, `relative-url`, `unsupported-scheme`, `invalid-url`, `too-long-url`, or
    `unreadable` for the rest of a file whose structure breaks there.
    """

    place: int
    url: str
    reason: str


Entry = Bookmark | Skipped


class UnknownFormat(ValueError):
    """The bytes are no bookmark file that is known here; the message says so to its owner."""
