"""What a search answers with, and the place in it where a page ends."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.links.domain import Id, Link
from services.links.search.highlight import Highlights

SearchOrder = Literal["relevance", "newest"]

# A result carries its whole note; more than a screenful or two is what `cursor` is for.
MAX_LIMIT = 100
# Scores are counted in millionths, so that a cursor compares them exactly.
MAX_SCORE = 1_000_000


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`q` in the search language; without `order` by relevance when `q` looks for text, else newest first."""

    q: str
    order: SearchOrder | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 20
    cursor: str | None = None


class Hit(msgspec.Struct, frozen=True):
    """A link that was found; `score`, from 0 to 1, orders by relevance and is null in other orders."""

    link: Link
    score: float | None
    highlights: Highlights


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A link by what all orders end with."""

    time: Annotated[dt.datetime, Meta(tz=True)]
    id: Id


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last link of a page, in an order of the query with this digest.

    By relevance, links are ranked a window at a time: `score` and `newest` are set inside a window, which
    reaches from `newest` back to `oldest` (None: to the end); without them the next window begins.
    """

    order: SearchOrder
    digest: str
    last: Place
    score: Annotated[int, Meta(ge=0, le=MAX_SCORE)] | None = None
    newest: Place | None = None
    oldest: Place | None = None
