"""The rules of a bookmark's fields, the same for every format."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from services.links.domain import (
    MAX_NOTE_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    MAX_URL_BYTES,
    normalise_tag,
)
from services.links.urls import InvalidUrl, normalise_url

from .model import Bookmark, Entry, Skipped
from .text import unix_lines

# Digits below the first bound are seconds, below the second milliseconds, below the third microseconds, all
# since 1970; from there on microseconds since 1601, as Chrome counts.
SECONDS_BELOW, _MILLISECONDS_BELOW, _MICROSECONDS_BELOW = 10**11, 10**14, 10**16
_SECONDS_FROM_1601_TO_1970 = 11_644_473_600
_FIRST_SECOND = -62_135_596_800  # of the year 1, which the store takes for the beginning of all time
_LAST_SECOND = 253_402_300_799  # of the year 9999
_DIGITS = re.compile(r"[0-9]{1,20}\Z")
_BROKEN_SURROGATE = re.compile("[\ud800-\udfff]")

ROOT_FOLDERS = frozenset(
    (
        "bookmarks",
        "bookmarks bar",
        "bookmarks toolbar",
        "bookmarks menu",
        "other bookmarks",
        "mobile bookmarks",
        "unsorted bookmarks",
        "favorites",
        "favourites",
        "favorites bar",
        "favourites bar",
        "other favorites",
        "other favourites",
        "mobile favorites",
        "unsorted",
    )
)
MAX_SHOWN_URL_CHARACTERS = 2_000


def entry(
    place: int,
    *,
    url: str,
    title: str,
    note: str,
    tags: Iterable[str],
    private: bool,
    to_read: bool,
    date: str,
    notes: str = "",
    archived: bool = False,
) -> Entry:
    """The entry as a link would hold it: fields as the file has them in, normalised out."""
    try:
        address = normalise_url(storable(url))
    except InvalidUrl as error:
        return Skipped(place, error.url[:MAX_SHOWN_URL_CHARACTERS], error.reason)
    if len(address.encode()) > MAX_URL_BYTES:
        return Skipped(place, address[:MAX_SHOWN_URL_CHARACTERS], "too-long-url")
    whole_title, whole_note, whole_tags = one_line(storable(title)), note_text(storable(note)), tag_set(tags)
    kept_title = whole_title[:MAX_TITLE_CHARACTERS].rstrip()
    kept_note = whole_note[:MAX_NOTE_CHARACTERS].rstrip()
    whole_notes = note_text(storable(notes))
    kept_notes = whole_notes[:MAX_NOTE_CHARACTERS].rstrip()
    kept_tags = {tag[:MAX_TAG_CHARACTERS] for tag in whole_tags}
    cut = (kept_title, kept_note, kept_notes, kept_tags) != (whole_title, whole_note, whole_notes, whole_tags)
    return Bookmark(
        place,
        address,
        kept_title,
        kept_note,
        tuple(sorted(kept_tags)),
        private,
        to_read,
        seconds(date),
        cut,
        kept_notes,
        archived,
    )


def storable(text: str) -> str:
    """Without what PostgreSQL's UTF-8 cannot hold: NUL characters and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return _BROKEN_SURROGATE.sub("\ufffd", text.replace("\0", ""))


def one_line(text: str) -> str:
    return " ".join(text.split())


def note_text(text: str) -> str:
    """Line ends kept; no white space at a line's end, no blank lines at the start and the end."""
    if not text:
        return ""
    lines = [line.rstrip() for line in unix_lines(text).split("\n")]
    return "\n".join(lines).strip("\n")


def tag_set(tags: Iterable[str]) -> set[str]:
    found = {normalise_tag(storable(tag)) for tag in tags}
    found.discard("")
    return found


def is_root_folder(name: str) -> bool:
    """Whether a folder of this name, with no tag-giving one above, is a browser's own and no subject."""
    return one_line(name).casefold() in ROOT_FOLDERS


def flag(text: str | None) -> bool:
    return text is not None and text.strip().lower() in ("1", "true", "yes")


def seconds(text: str) -> int | None:
    """A date in seconds since 1970, fractions cut off; None for zero, unreadable or what no link can have."""
    text = text.strip()
    if not text:
        return None
    if _DIGITS.match(text):
        value = _since_1970(int(text))
        return value if value and value <= _LAST_SECOND else None
    try:
        when = dt.datetime.fromisoformat(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=dt.UTC)
        value = int(when.astimezone(dt.UTC).replace(microsecond=0).timestamp())
        return value if value > _FIRST_SECOND else None
    except (ValueError, OverflowError):
        return None


def _since_1970(number: int) -> int:
    if number < SECONDS_BELOW:
        return number
    if number < _MILLISECONDS_BELOW:
        return number // 1_000
    if number < _MICROSECONDS_BELOW:
        return number // 1_000_000
    return number // 1_000_000 - _SECONDS_FROM_1601_TO_1970
