"""The words of a text as the database folds them (search_words in 0002_search.sql), with their places.

The database alone decides what matches; this decides what is shown as matched.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# The zeros of Arabic, Persian and Devanagari; nine more digits follow each.
_ZEROS = (0x0660, 0x06F0, 0x0966)
_LETTERS: dict[int, str] = {
    **{ord(letter): plain for letter, plain in zip("øłđðħıŧς", "olddhit\u03c3", strict=True)},
    **{ord("ß"): "ss", ord("æ"): "ae", ord("œ"): "oe", ord("þ"): "th"},
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
}
# Scripts that are written without blanks: each letter is a word, and a word is a phrase.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(
    rf"""
    \bhttps?:// | \bwww\. | %[0-9a-f]{{2}}
    | (?P<dotnet> (?<![^\W_]) \.net (?![^\W_]) )
    | (?P<letter> (?=[^\W_])[{_UNSPACED}] )
    | (?P<word> [^\W_{_UNSPACED}]+ (?P<sign> \+\+(?![^\W_]) | (?<=\b[a-z])\#(?![^\W_]) )? )
    """,
    re.VERBOSE,
)
_SIGNS = {"++": "plusplus", "#": "sharp"}


class Word(NamedTuple):
    """A folded word and where it stands: [start, end) in code points of the text."""

    text: str
    start: int
    end: int


def has_word(text: str) -> bool:
    """Whether there is a letter or a digit in a text."""
    return any(sign.isalnum() for sign in text)


def words(text: str) -> list[Word]:
    """The words of a text, in order."""
    folded, places = fold(text)
    found = []
    for match in _WORD.finditer(folded):
        if match.lastgroup is None:
            continue
        word = "dotnet" if match["dotnet"] else match[0]
        if match["sign"]:
            word = word.removesuffix(match["sign"]) + _SIGNS[match["sign"]]
        found.append(Word(word, places[match.start()], places[match.end()]))
    return found


def fold(text: str) -> tuple[str, list[int]]:
    """A text without case and accents, and the place that each of its characters (and its end) came from."""
    if text.isascii():
        return text.lower(), list(range(len(text) + 1))
    pieces, places = [], []
    for place, sign in enumerate(text):
        piece = _folded(sign)
        pieces.append(piece)
        places += [place] * len(piece)
    places.append(len(text))
    return "".join(pieces), places


@lru_cache(maxsize=4_096)
def _folded(sign: str) -> str:
    bare = "".join(part for part in unicodedata.normalize("NFKD", sign) if not "\u0300" <= part <= "\u036f")
    return unicodedata.normalize("NFC", bare.lower().translate(_LETTERS))
