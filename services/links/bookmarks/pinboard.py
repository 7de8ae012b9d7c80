"""Pinboard's JSON: one array of objects, decoded one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import cast

from . import fields
from .model import MAX_TEXT_CHARACTERS, Entry, Options, Skipped

# An object that is longer is no bookmark: all its texts together may not be longer than that.
MAX_ELEMENT_CHARACTERS = 4 * MAX_TEXT_CHARACTERS
_SPACE = re.compile(r"[ \t\n\r]*")
_AFTER = re.compile(r"[ \t\n\r]*([,\]])")


def read(chunks: Iterable[str], options: Options) -> Iterator[Entry]:
    """The entries in file order; where the file's structure breaks, one Skipped ends them."""
    place = 0
    try:
        for place, element in enumerate(elements(chunks), start=1):
            yield _entry(place, element, options)
    except (ValueError, RecursionError):
        yield Skipped(place + 1, "", "unreadable")


def elements(chunks: Iterable[str]) -> Iterator[object]:
    """The elements of the array; raises ValueError (or RecursionError) where it is not well-formed."""
    decoder = json.JSONDecoder()
    source = iter(chunks)
    buffer, at, closed = "", 0, False
    while "[" not in buffer:
        piece = next(source, None)
        if piece is None or (buffer.strip() and not buffer.lstrip().startswith("[")):
            raise ValueError("no array")
        buffer += piece
    at = buffer.index("[") + 1
    empty = True
    while not closed:
        try:
            start = cast(re.Match[str], _SPACE.match(buffer, at)).end()
            if empty and buffer[start : start + 1] == "]":
                return
            element, end = decoder.raw_decode(buffer, start)
            after = _AFTER.match(buffer, end)
            if after is None:
                raise ValueError("cut off after an element")
        except ValueError:
            piece = next(source, None)
            if piece is None or len(buffer) - at > MAX_ELEMENT_CHARACTERS:
                raise
            buffer, at = buffer[at:] + piece, 0
            continue
        yield element
        empty = False
        at, closed = after.end(), after[1] == "]"


def _entry(place: int, element: object, options: Options) -> Entry:
    post = element if isinstance(element, dict) else {}

    def text(name: str) -> str:
        value = post.get(name)
        return value if isinstance(value, str) else ""

    return fields.entry(
        place,
        url=text("href"),
        title=text("description"),
        note=text("extended"),
        tags=text("tags").split(),
        private=text("shared").strip().lower() == "no" if text("shared") else options.private,
        to_read=fields.flag(text("toread")),
        date=text("time"),
    )
