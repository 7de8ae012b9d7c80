"""The search language of linkding, and our own beside it, put into ours; no I/O.

    query  = any_of
    any_of = all_of { "or" all_of }
    all_of = one { ["and"] one }
    one    = ("not" | "-") one | "(" any_of ")" | word | "#" tag | "!" state | '"' text '"' | "'" text "'"

A word is looked for anywhere; a term of our own (`site:example.org`, `tag:"a b"`) stays as it is.
"""

from __future__ import annotations

import re

# Deeper and longer than anybody types; our own language refuses such queries anyway.
MAX_DEPTH = 10
MAX_CHARACTERS = 1_000

EVERYTHING = "*"
_STATES = {"!unread": "is:unread", "!untagged": "is:untagged"}
_OWN_FIELDS = "tag|site|url|part|title|note|before|after|on|is"
_TOKEN = re.compile(
    rf"""
    \s+
    | (?P<sign> [()] )
    | (?P<not> -(?=[^\s()-]) )
    | (?P<own> (?i:{_OWN_FIELDS}) : (?: "(?:[^"\\]|\\.)*" | [^\s()"'][^\s()]* ) )
    | (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
    | (?P<word> [^\s()"'][^\s()]* )
    | (?P<stray> ["'] )
    """,
    re.VERBOSE | re.DOTALL,
)


class UnreadableQuery(ValueError):
    """A query that means nothing, in this language or in ours."""


def translated(query: str) -> str:
    """The same in our language; empty for a query without a word. Raises UnreadableQuery."""
    if len(query) > MAX_CHARACTERS:
        raise UnreadableQuery("too long")
    tokens = [(found.lastgroup, found[0]) for found in _TOKEN.finditer(query) if found.lastgroup]
    if not tokens:
        return ""
    reader = _Reader([*tokens, ("end", "")])
    text = reader.any_of(0)
    if reader.peek[0] != "end":
        raise UnreadableQuery("a ) that closes nothing")
    return text


def anywhere(text: str) -> str:
    """A term of our language for a text that may stand anywhere."""
    return f"part:{quoted(text)}"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def any_of(self, depth: int) -> str:
        parts = [self._all_of(depth)]
        while self._operator() == "or":
            self._at += 1
            parts.append(self._all_of(depth))
        return " or ".join(parts)

    def _all_of(self, depth: int) -> str:
        parts = [self._one(depth)]
        while self.peek[0] != "end" and self.peek[1] != ")" and self._operator() != "or":
            if self._operator() == "and":
                self._at += 1
            parts.append(self._one(depth))
        return " ".join(parts)

    def _one(self, depth: int) -> str:
        kind, text = self.peek
        if depth > MAX_DEPTH or kind in ("end", "stray") or text == ")" or self._operator() in ("and", "or"):
            raise UnreadableQuery("expected a term")
        self._at += 1
        if kind == "not" or (kind == "word" and text.lower() == "not"):
            return f"not {self._one(depth + 1)}"
        if text == "(" and kind == "sign":
            inside = self.any_of(depth + 1)
            if self.peek[1] != ")":
                raise UnreadableQuery("expected a )")
            self._at += 1
            return f"({inside})"
        return _term(kind, text)

    def _operator(self) -> str:
        kind, text = self.peek
        return text.lower() if kind == "word" and text.lower() in ("and", "or") else ""


def _term(kind: str, text: str) -> str:
    if kind == "own":
        return text
    if kind == "quoted":
        inside = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        return anywhere(inside) if inside else EVERYTHING
    if text.startswith("!") and len(text) > 1:
        return _STATES.get(text.lower(), EVERYTHING)
    if text.startswith("#") and text.strip("#, "):
        return f"tag:{quoted(text[1:])}"
    return anywhere(text.rstrip("*") or text)
