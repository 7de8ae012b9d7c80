"""Where a link matches: places in its texts, so that who shows them marks them without trusting any HTML."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.links.domain import Link
from services.links.search.tree import Field, Node, Part, Tag, Text, UrlPart, wanted
from services.links.search.words import Word, fold, words

# Enough to see why a link was found; a note is looked at as far as anybody shows it in a list.
MAX_RANGES = 50
NOTE_CHARACTERS = 2_000

Range = tuple[int, int]


class Highlights(msgspec.Struct, frozen=True):
    """Ranges [start, end) in code points, ascending and apart; of the note its first 2,000 characters only.

    `tags` are the tags that match.
    """

    title: list[Range]
    url: list[Range]
    note: list[Range]
    tags: list[str]


class Highlighter:
    """Finds in any number of links what one query looks for."""

    def __init__(self, node: Node) -> None:
        leaves = list(wanted(node))
        self._phrases = [
            (leaf.field, [word.text for word in words(leaf.text)], leaf.is_prefix)
            for leaf in leaves
            if isinstance(leaf, Text)
        ]
        self._tags = [leaf for leaf in leaves if isinstance(leaf, Tag)]
        self._url_parts = [fold(leaf.text)[0] for leaf in leaves if isinstance(leaf, UrlPart | Part)]
        self._parts_anywhere = [fold(leaf.text)[0] for leaf in leaves if isinstance(leaf, Part)]

    def highlights(self, link: Link) -> Highlights:
        note = link.note[:NOTE_CHARACTERS]
        return Highlights(
            title=_joined(self._ranges(link.title, "title") + _parts(self._parts_anywhere, link.title)),
            url=_joined(self._ranges(link.url, "") + _parts(self._url_parts, link.url)),
            note=_joined(self._ranges(note, "note") + _parts(self._parts_anywhere, note)),
            tags=[tag for tag in link.tags if self._is_wanted(tag)],
        )

    def _ranges(self, text: str, field: Field) -> list[Range]:
        found = words(text)
        return [
            place
            for within, phrase, is_prefix in self._phrases
            if within in ("", field)
            for place in _places(found, phrase, is_prefix)
        ]

    def _is_wanted(self, tag: str) -> bool:
        exactly = any(
            tag.startswith(leaf.name) if leaf.is_prefix else tag == leaf.name for leaf in self._tags
        )
        return exactly or bool(self._ranges(tag, ""))


def _parts(parts: Sequence[str], text: str) -> list[Range]:
    """Where any of the parts stands in a text."""
    if not parts:
        return []
    folded, places = fold(text)
    ranges: list[Range] = []
    for part in parts:
        at = folded.find(part)
        while at >= 0 and len(ranges) < MAX_RANGES:
            ranges.append((places[at], places[at + len(part)]))
            at = folded.find(part, at + len(part))
    return ranges


def _places(found: Sequence[Word], phrase: Sequence[str], is_prefix: bool) -> list[Range]:
    """Where the words of a phrase stand one after the other."""
    if not phrase:
        return []
    *whole, last = phrase
    places = []
    for at in range(len(found) - len(whole)):
        end = found[at + len(whole)]
        if (end.text.startswith(last) if is_prefix else end.text == last) and all(
            found[at + nth].text == word for nth, word in enumerate(whole)
        ):
            places.append((found[at].start, end.end))
            if len(places) == MAX_RANGES:
                break
    return places


def _joined(ranges: list[Range]) -> list[Range]:
    """Sorted, those that touch or overlap made one, at most MAX_RANGES."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif end > start:
            joined.append((start, end))
    return joined[:MAX_RANGES]
