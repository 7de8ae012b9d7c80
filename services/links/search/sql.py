"""From a tree to a WHERE condition over `links`, and what matches are ranked by; no user's text in either."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import assert_never

from services.links.search import values
from services.links.search.tree import (
    And,
    Everything,
    Field,
    Is,
    Leaf,
    Node,
    Not,
    Or,
    Part,
    Saved,
    Site,
    State,
    Tag,
    Text,
    UrlPart,
    wanted,
)

# The weight that search_vector gives to a field.
_WEIGHTS: dict[Field, str] = {"": "", "title": "A", "note": "C"}

# The column `search` as it would be without notes, computed for what the index has found.
_OPEN_WORDS = "search_vector(owner_id, title, tags, url, host, note)"

# Written out, not among the arguments, so that the partial indexes serve them.
_STATES: dict[State, str] = {
    "unread": "to_read",
    "read": "NOT to_read",
    "private": "private",
    "public": "NOT private",
    "archived": "archived",
    "dead": "health = 'dead'",
    "alive": "health = 'alive'",
    "untagged": "search @@ search_key($1, '#', '', false)",
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL over `arguments`, the owner first; `rank` is a tsquery, None where nothing is ranked."""

    condition: str
    rank: str | None
    arguments: list[object]


def compiled(node: Node, owner_id: int, now: dt.datetime, *, is_ranked: bool) -> Compiled:
    """The SQL of a tree for one owner; `now` is what ages are counted from.

    Only wanted text ranks: without any there is no rank, even if `is_ranked`.
    """
    arguments: list[object] = [owner_id]
    condition = f"owner_id = $1 AND {_condition(node, arguments, now)}"
    return Compiled(condition, _rank(node, arguments) if is_ranked else None, arguments)


def matching(node: Node, arguments: list[object], now: dt.datetime) -> str:
    """The condition of a tree alone; `arguments` holds the owner first, and what it needs is added."""
    return _condition(node, arguments, now)


def _condition(node: Node, arguments: list[object], now: dt.datetime) -> str:
    match node:
        case And(parts):
            return "(" + " AND ".join(_condition(part, arguments, now) for part in parts) + ")"
        case Or(parts):
            return "(" + " OR ".join(_condition(part, arguments, now) for part in parts) + ")"
        case Not(part):
            return f"NOT ({_condition(part, arguments, now)})"
        case _:
            return _leaf(node, arguments, now)


def _leaf(leaf: Leaf, arguments: list[object], now: dt.datetime) -> str:
    match leaf:
        case Text(text, is_prefix, field, is_open):
            words = _argument(text, arguments)
            phrase = f"search_phrase($1, {words}, {_boolean(is_prefix)}, '{_WEIGHTS[field]}')"
            found = f"search @@ {phrase}"
            return f"({found} AND (notes = '' OR {_OPEN_WORDS} @@ {phrase}))" if is_open else found
        case Tag("", True):
            return f"NOT ({_STATES['untagged']})"
        case Tag(name, is_prefix):
            return f"search @@ search_key($1, '#', {_argument(name, arguments)}, {_boolean(is_prefix)})"
        case Site(host):
            return f"search @@ search_key($1, '@', {_argument(host, arguments)}, false)"
        case UrlPart(text):
            return _contains(("url",), text, arguments)
        case Part(text, is_open):
            columns = ("title", "note", "url") if is_open else ("title", "note", "notes", "url")
            return _contains(columns, text, arguments)
        case Saved():
            return _saved(leaf, arguments, now)
        case Is(state):
            return _STATES[state]
        case Everything():
            return "true"
        case _:
            assert_never(leaf)


def _contains(columns: tuple[str, ...], text: str, arguments: list[object]) -> str:
    part = f'lower({_argument(text, arguments)} COLLATE "pg_c_utf8")'
    found = [f'strpos(lower({column} COLLATE "pg_c_utf8"), {part}) > 0' for column in columns]
    return f"({' OR '.join(found)})" if len(found) > 1 else found[0]


def _saved(condition: Saved, arguments: list[object], now: dt.datetime) -> str:
    start, end = values.times(condition, now)
    parts = []
    if start is not None:
        parts.append(f"created_at >= {_argument(start, arguments)}")
    if end is not None:
        parts.append(f"created_at < {_argument(end, arguments)}")
    return "(" + " AND ".join(parts) + ")"


def _rank(node: Node, arguments: list[object]) -> str | None:
    parts = []
    texts = [leaf for leaf in wanted(node) if isinstance(leaf, Text)]
    for is_prefix in (False, True):
        words = " ".join(leaf.text for leaf in texts if leaf.is_prefix is is_prefix)
        if words:
            parts.append(f"search_any_word($1, {_argument(words, arguments)}, {_boolean(is_prefix)})")
    return " || ".join(parts) or None


def _argument(value: object, arguments: list[object]) -> str:
    arguments.append(value)
    return f"${len(arguments)}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
