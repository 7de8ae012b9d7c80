"""What a query means, as a tree, and how the tree is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never, get_args

Field = Literal["", "title", "note"]
Relation = Literal["before", "after", "on"]
State = Literal["unread", "read", "private", "public", "archived", "dead", "alive", "untagged"]

STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Text:
    """The words of `text` in a row, the last one only begun if `is_prefix`, in `field` or anywhere.

    A note is both of a link's texts; `is_open` looks in the first one only, which others may read.
    """

    text: str
    is_prefix: bool = False
    field: Field = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, normalised, or with `is_prefix` any that begins so: `Tag("", True)` is any tag at all."""

    name: str
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A host as hosts are compared, or any below it."""

    host: str


@dataclass(frozen=True, slots=True)
class UrlPart:
    """Text anywhere in the address, case ignored."""

    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """Text anywhere in title, note, notes or address, case ignored; `is_open` leaves out the notes."""

    text: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """When it was saved: `when` is a year, month or day in UTC, or an age like `7d`."""

    relation: Relation
    when: str


@dataclass(frozen=True, slots=True)
class Is:
    state: State


@dataclass(frozen=True, slots=True)
class Everything:
    pass


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """Two parts or more, none of them an And; made by `all_of`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Two parts or more, none of them an Or; made by `any_of`."""

    parts: tuple[Node, ...]


Leaf: TypeAlias = Text | Tag | Site | UrlPart | Part | Saved | Is | Everything
Node: TypeAlias = Leaf | Not | And | Or


def all_of(parts: Iterable[Node]) -> Node:
    """Parts that must all hold, in one And; a single part is itself."""
    flat = tuple(piece for part in parts for piece in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(parts: Iterable[Node]) -> Node:
    """Parts of which one must hold, in one Or; a single part is itself."""
    flat = tuple(piece for part in parts for piece in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def negated(part: Node) -> Node:
    """What does not hold; twice is not at all."""
    return part.part if isinstance(part, Not) else Not(part)


def wanted(node: Node) -> Iterator[Leaf]:
    """The leaves that a match may be found by: those that are not negated."""
    match node:
        case And() | Or():
            for part in node.parts:
                yield from wanted(part)
        case Not():
            yield from unwanted(node.part)
        case _:
            yield node


def unwanted(node: Node) -> Iterator[Leaf]:
    """The leaves of a negated part that are negated once more."""
    match node:
        case And() | Or():
            for part in node.parts:
                yield from unwanted(part)
        case Not():
            yield from wanted(node.part)
        case _:
            return


# A word that reads the same without quotes, whatever the language makes of other signs.
_PLAIN = re.compile(r"[^\W_](?:[\w.+#-]*\w)?")
_OPERATORS = frozenset(("and", "or", "not"))


def written(node: Node) -> str:
    """A query that means this tree: `parse(written(tree)) == tree`."""
    match node:
        case Or(parts):
            return " or ".join(written(part) for part in parts)
        case And(parts):
            return " ".join(f"({written(part)})" if isinstance(part, Or) else written(part) for part in parts)
        case Not(part):
            return f"-({written(part)})" if isinstance(part, And | Or) else f"-{written(part)}"
        case _:
            return _leaf(node)


def _leaf(leaf: Leaf) -> str:
    match leaf:
        case Text(text, is_prefix, field):
            return (f"{field}:" if field else "") + _value(text) + "*" * is_prefix
        case Tag("", True):
            return "tag:*"
        case Tag(name, is_prefix):
            return f"tag:{_value(name)}" + "*" * is_prefix
        case Site(host):
            return f"site:{_value(host)}"
        case UrlPart(text):
            return f"url:{_value(text)}"
        case Part(text):
            return f"part:{_value(text)}"
        case Saved(relation, when):
            return f"{relation}:{when}"
        case Is(state):
            return f"is:{state}"
        case Everything():
            return "*"
        case _:
            assert_never(leaf)


def _value(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _OPERATORS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
