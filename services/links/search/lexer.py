"""A query's text in tokens, each with its place; what is no word nor sign of the language is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from services.links.search.words import has_word

FIELDS = ("tag", "site", "url", "part", "title", "note", "before", "after", "on", "is")

Kind = Literal["word", "phrase", "everything", "(", ")", "-", "and", "or", "not", "end"]

OPERANDS: frozenset[Kind] = frozenset(("word", "phrase", "everything", "(", "-", "not"))

_OPERATORS: dict[str, Kind] = {"and": "and", "or": "or", "not": "not"}
_FIELD = re.compile(r"([A-Za-z][A-Za-z_]*):")
_CLOSING = {'"': '"', "“": '”“"', "„": '”“"'}
_SPECIAL = frozenset("()") | frozenset(_CLOSING)


class InvalidQuery(ValueError):
    """A query that is not of the language: the fault's place and length in code points, and what to write."""

    def __init__(self, message: str, position: int, length: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.length = length


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is a word or phrase without field, quotes and final star; `start` and `end` span all of it."""

    kind: Kind
    start: int
    end: int
    text: str = ""
    field: str = ""
    is_prefix: bool = False
    value_start: int = 0


def tokens(query: str) -> Iterator[Token]:
    """The tokens of a query and an end; raises InvalidQuery."""
    return _Lexer(query).tokens()


class _Lexer:
    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def tokens(self) -> Iterator[Token]:
        query = self._query
        while self._at < len(query):
            sign = query[self._at]
            if sign.isspace():
                self._at += 1
            elif sign in "()":
                yield Token("(" if sign == "(" else ")", self._at, self._at + 1)
                self._at += 1
            elif sign == "-" and self._negates():
                yield Token("-", self._at, self._at + 1)
                self._at += 1
            else:
                token = self._term()
                if token is not None:
                    yield token
        yield Token("end", len(query), len(query))

    def _negates(self) -> bool:
        """Whether the hyphens here stand before something, and are not just a dash between words."""
        rest = self._query[self._at :].lstrip("-")
        if not rest or rest[0].isspace():
            return False
        chunk = re.split(r"[\s()]", rest, maxsplit=1)[0]
        return rest[0] in _SPECIAL - {")"} or chunk == "*" or has_word(chunk)

    def _term(self) -> Token | None:
        start = self._at
        if self._query[start] in _CLOSING:
            return self._quoted(start, "")
        field = self._field()
        if field and self._at < len(self._query) and self._query[self._at] in _CLOSING:
            return self._quoted(start, field)
        value_start = self._at
        word = self._word()
        if field:
            return self._value(field, start, value_start, word)
        if word == "*":
            return Token("everything", start, self._at)
        if not has_word(word):
            return None
        operator = _OPERATORS.get(word.lower())
        if operator is not None:
            return Token(operator, start, self._at)
        return self._starred("", start, start, word)

    def _field(self) -> str:
        """The name of the field that stands here, passed over; empty where a word is just a word."""
        match = _FIELD.match(self._query, self._at)
        if match is None:
            return ""
        name, after = match[1].lower(), self._query[match.end() : match.end() + 2]
        if name in FIELDS:
            self._at = match.end()
            return name
        is_text = len(name) == 1 or not after or after[0].isspace() or after[0] in ":()" or after == "//"
        if is_text:
            return ""
        known = ", ".join(f"{field}:" for field in FIELDS)
        raise InvalidQuery(
            f"unknown field {match[0]} (known: {known}); in quotes it is text",
            self._at,
            len(match[0]),
        )

    def _word(self) -> str:
        """Up to a blank, a quote or a parenthesis; those of an address belong to it while they pair."""
        start, open_ones = self._at, 0
        while self._at < len(self._query):
            sign = self._query[self._at]
            if sign.isspace() or sign in _CLOSING:
                break
            if sign == "(":
                if "://" not in self._query[start : self._at]:
                    break
                open_ones += 1
            elif sign == ")":
                if not open_ones:
                    break
                open_ones -= 1
            self._at += 1
        return self._query[start : self._at]

    def _quoted(self, start: int, field: str) -> Token:
        opening = self._at
        closing = _CLOSING[self._query[opening]]
        self._at += 1
        signs: list[str] = []
        while self._at < len(self._query):
            sign = self._query[self._at]
            if sign in closing:
                self._at += 1
                is_prefix = self._query.startswith("*", self._at)
                self._at += is_prefix
                text = "".join(signs)
                return Token("phrase", start, self._at, text, field, is_prefix, opening)
            if sign == "\\" and self._query[self._at + 1 : self._at + 2] in ("\\", '"', *closing):
                self._at += 1
                sign = self._query[self._at]
            signs.append(sign)
            self._at += 1
        raise InvalidQuery("expected a closing quote", opening, len(self._query) - opening)

    def _value(self, field: str, start: int, value_start: int, word: str) -> Token:
        if not word:
            raise InvalidQuery(f"expected a value right after {field}:", start, self._at - start)
        if field in ("url", "part"):
            return Token("word", start, self._at, word, field, False, value_start)
        return self._starred(field, start, value_start, word)

    def _starred(self, field: str, start: int, value_start: int, word: str) -> Token:
        text = word.removesuffix("*")
        star = text.find("*")
        if star >= 0:
            raise InvalidQuery(
                "a * stands only at the end of a word; in quotes it is text", value_start + star, 1
            )
        return Token("word", start, self._at, text, field, text != word, value_start)
