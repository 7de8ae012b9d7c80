"""What may stand in the query of each list, and its cursors: shared by the handlers and the client."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.social_graph.domain import MAX_ID

MAX_LIMIT = 1_000
MAX_INTERNAL_LIMIT = 10_000
MAX_SUGGESTIONS = 50

Version = Annotated[int, Meta(ge=0, le=MAX_ID)]


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of a list of people, the newest first."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 20
    cursor: str | None = None


class SuggestionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=MAX_SUGGESTIONS)] = 10


class InternalQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of ids or edges for another service."""

    limit: Annotated[int, Meta(ge=1, le=MAX_INTERNAL_LIMIT)] = 1_000
    cursor: str | None = None


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page of one person's edges ends; an edge that is made anew has another place."""

    version: Version


class EdgePlace(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page of all edges ends."""

    follower_id: Version
    followee_id: Version
