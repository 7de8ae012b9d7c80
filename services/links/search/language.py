"""From a query's text to its tree.

    query  = any_of
    any_of = all_of { "or" all_of }
    all_of = one { ["and"] one }
    one    = ("-" | "not") one | "(" any_of ")" | "*" | [field ":"] (word | '"' text '"') ["*"]

Letter case never matters. A word without a letter or a digit (a dash, an ampersand) is left out, so that a
pasted title is a query; `c++`, `http://example.org/a`, `std::vector` and `a:b` are text.
"""

from __future__ import annotations

from services.links.search import values
from services.links.search.lexer import OPERANDS, InvalidQuery, Kind, Token, tokens
from services.links.search.tree import (
    Everything,
    Leaf,
    Node,
    Part,
    Text,
    UrlPart,
    all_of,
    any_of,
    negated,
)
from services.links.search.words import has_word

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_TERMS", "InvalidQuery", "parse"]

# Longer than anybody types; what a query costs grows with its terms, and the parser recurses with its depth.
MAX_CHARACTERS = 1_000
MAX_TERMS = 40
MAX_DEPTH = 10

_SHOWN: dict[Kind, str] = {"end": "the end", "(": "(", ")": ")", "and": "`and`", "or": "`or`"}


def parse(query: str) -> Node:
    """The tree of a query; raises InvalidQuery, and nothing else, for any text."""
    if len(query) > MAX_CHARACTERS:
        raise InvalidQuery(
            f"a query has at most {MAX_CHARACTERS} characters", MAX_CHARACTERS, len(query) - MAX_CHARACTERS
        )
    for position, sign in enumerate(query):
        if sign == "\0" or "\ud800" <= sign <= "\udfff":
            raise InvalidQuery("a character that no text contains", position, 1)
    return _Parser(query).tree()


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = list(tokens(query))
        self._at = 0
        self._terms = 0
        self._depth = 0

    def tree(self) -> Node:
        if self._peek().kind == "end":
            raise InvalidQuery("expected a word to look for", 0, len(self._query))
        node = self._any_of()
        if self._peek().kind != "end":
            raise InvalidQuery("this ) closes nothing", self._peek().start, 1)
        return node

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _any_of(self) -> Node:
        parts = [self._all_of()]
        while self._peek().kind == "or":
            self._take()
            parts.append(self._all_of())
        return any_of(parts)

    def _all_of(self) -> Node:
        parts = [self._one()]
        while self._peek().kind == "and" or self._peek().kind in OPERANDS:
            if self._peek().kind == "and":
                self._take()
            parts.append(self._one())
        return all_of(parts)

    def _one(self) -> Node:
        token = self._peek()
        if token.kind not in OPERANDS:
            raise self._expected_term(token)
        self._take()
        if token.kind in ("-", "not"):
            self._deeper(token)
            node = negated(self._one())
            self._depth -= 1
            return node
        if token.kind == "(":
            self._deeper(token)
            node = self._any_of()
            if self._peek().kind != ")":
                raise InvalidQuery("expected a ) for this (", token.start, 1)
            self._take()
            self._depth -= 1
            return node
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise InvalidQuery(
                f"a query has at most {MAX_TERMS} terms", token.start, len(self._query) - token.start
            )
        return _leaf(token)

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidQuery(
                f"a query nests at most {MAX_DEPTH} deep", token.start, token.end - token.start
            )

    def _expected_term(self, found: Token) -> InvalidQuery:
        before = self._tokens[self._at - 1] if self._at else None
        behind = "" if before is None else f" after {self._query[before.start : before.end]}"
        message = f"expected a term{behind}, found {_SHOWN[found.kind]}"
        if found.kind in ("and", "or"):
            message += "; in quotes it is a word"
        return InvalidQuery(message, found.start, found.end - found.start)


def _leaf(token: Token) -> Leaf:
    if token.kind == "everything":
        return Everything()
    try:
        return _value(token)
    except values.Unfit as error:
        raise InvalidQuery(str(error), token.value_start, token.end - token.value_start) from error


def _value(token: Token) -> Leaf:
    match token.field:
        case "tag":
            return values.tag(token.text, token.is_prefix)
        case "" | "title" | "note" as field:
            if not has_word(token.text):
                raise values.Unfit("expected a letter or a digit")
            return Text(token.text, token.is_prefix, field)
    if token.is_prefix and token.field not in ("url", "part"):
        raise values.Unfit(f"{token.field}: takes no *")
    match token.field:
        case "url":
            if not token.text:
                raise values.Unfit("expected a part of an address")
            return UrlPart(token.text + "*" * token.is_prefix)
        case "part":
            if not token.text:
                raise values.Unfit("expected a part of a text")
            return Part(token.text + "*" * token.is_prefix)
        case "site":
            return values.site(token.text)
        case "is":
            return values.state(token.text)
        case "before" | "after" | "on" as relation:
            return values.saved(relation, token.text)
    raise AssertionError(token.field)
