"""A query as somebody else may ask it about public links: what is only the owner's finds nothing."""

from __future__ import annotations

from services.links.search.tree import (
    And,
    Everything,
    Is,
    Node,
    Not,
    Or,
    Part,
    Tag,
    Text,
    all_of,
    any_of,
    negated,
)

# Tags that begin so are their owner's alone.
PRIVATE_MARK = "."

_NOTHING = Not(Everything())


def seen_from_outside(node: Node) -> Node:
    """The same tree without what would tell what an owner has read, put away, noted or tagged for itself."""
    match node:
        case And(parts):
            return all_of(map(seen_from_outside, parts))
        case Or(parts):
            return any_of(map(seen_from_outside, parts))
        case Not(part):
            return negated(seen_from_outside(part))
        case Tag(name, is_prefix) if name.startswith(PRIVATE_MARK) or (is_prefix and not name):
            return _NOTHING
        case Text(text, is_prefix, ""):
            # Tags are among the words that have no field.
            return any_of([Text(text, is_prefix, "title"), Text(text, is_prefix, "note", is_open=True)])
        case Text(text, is_prefix, "note"):
            return Text(text, is_prefix, "note", is_open=True)
        case Part(text):
            return Part(text, is_open=True)
        case Is("unread" | "private" | "archived" | "untagged"):
            return _NOTHING
        case Is("read" | "public"):
            return Everything()
        case _:
            return node
