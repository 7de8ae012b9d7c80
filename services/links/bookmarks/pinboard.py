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
    text = _Window(chunks)
    text.sign("[")
    if text.follows("]"):
        return
    yield text.element()
    while text.sign(",]") == ",":
        yield text.element()


class _Window:
    """The part of a text that is not read yet, as far as it was needed."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._source = iter(chunks)
        self._text = ""
        self._at = 0
        self._decoder = json.JSONDecoder()

    def sign(self, expected: str) -> str:
        """The next character that is not space; raises ValueError unless it is an expected one."""
        self._skip_space()
        found = self._text[self._at : self._at + 1]
        if not found or found not in expected:
            raise ValueError(f"no {expected}")
        self._at += 1
        return found

    def follows(self, sign: str) -> bool:
        self._skip_space()
        return self._text.startswith(sign, self._at)

    def element(self) -> object:
        self._skip_space()
        while True:
            try:
                element, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                if len(self._text) - self._at > MAX_ELEMENT_CHARACTERS or not self._more():
                    raise
            else:
                # A number may go on in the next piece.
                if end < len(self._text) or not self._more():
                    self._at = end
                    return element

    def _skip_space(self) -> None:
        while True:
            self._at = cast(re.Match[str], _SPACE.match(self._text, self._at)).end()
            if self._at < len(self._text) or not self._more():
                return

    def _more(self) -> bool:
        piece = next(self._source, None)
        if piece is None:
            return False
        self._text, self._at = self._text[self._at :] + piece, 0
        return True


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
        notes=text("notes"),
        archived=fields.flag(text("archived")),
    )
