"""Tags of one owner as a caller sees and changes them; no I/O."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.links.domain import Invalid, normalise_tags, one_tag

MAX_WORDS = 200

TagOrder = Literal["tag", "count"]

_WORD = re.compile(r"[^\W_]+(?:[+#]+(?!\w))?")


class TagCount(msgspec.Struct, frozen=True):
    """A tag and how many of the owner's links have it."""

    tag: str
    links: int


class TagEntry(msgspec.Struct, frozen=True):
    """A tag with a number that outlives a renaming, and `name`, its spelling when first written."""

    id: int
    tag: str
    name: str
    links: int
    created_at: dt.datetime


class TagEntries(msgspec.Struct, frozen=True):
    """`count` is of all, not only those here."""

    count: int
    items: list[TagEntry]


class NewTag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tag to keep, whether or not a link has it."""

    name: str


class TagPosition(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last tag of a page."""

    order: TagOrder
    links: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    tag: Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]


class Rename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give `tag` the name `to`, which no tag has yet, or another spelling."""

    tag: str
    to: str


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replace each of `tags` by `into`, which may exist already."""

    tags: tuple[str, ...]
    into: str


class TagsChanged(msgspec.Struct, frozen=True):
    """How many links were changed, and the tag they now have (null when tags were deleted)."""

    links: int
    tag: str | None


class Suggestion(msgspec.Struct, frozen=True):
    """A tag of the owner's own that may fit, and how it is spelt; `score` orders suggestions, no more."""

    tag: str
    score: float
    name: str


class Suggestions(msgspec.Struct, frozen=True):
    suggestions: list[Suggestion]


def renaming(sent: Rename) -> tuple[str, str]:
    """The normalised old and new name; raises Invalid."""
    return one_tag(sent.tag, "/tag"), one_tag(sent.to, "/to")


def merging(sent: Merge) -> tuple[list[str], str]:
    """The normalised tags that go and the one that takes their place; raises Invalid."""
    into = one_tag(sent.into, "/into")
    gone = [tag for tag in normalise_tags(sent.tags) if tag != into]
    if not gone:
        raise Invalid("/tags", "no tag to merge into another")
    return gone, into


def words(url: str, title: str) -> list[str]:
    """What a tag may be called after: each word, and each two neighbours joined by `-`; at most 200."""
    found: list[str] = []
    for text in (title, re.sub(r"^\w+://(www\.)?", "", url)):
        singles = [word.lower() for word in _WORD.findall(text)]
        found += singles
        found += [f"{one}-{two}" for one, two in pairwise(singles)]
    return list(dict.fromkeys(found))[:MAX_WORDS]
