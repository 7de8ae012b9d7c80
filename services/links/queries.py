"""What may stand in the query of each list: shared by the handlers and the client."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from services.links.domain import MAX_TITLE_CHARACTERS, Health, Id
from services.links.paging import OrderName
from services.links.tags import TagOrder

MAX_LIMIT = 1_000


class LinkQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of a list; all must hold, `tag` may be given several times. `until` itself is not included."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 20
    cursor: str | None = None
    order: OrderName = "newest"
    tag: list[str] = []
    url: str | None = None
    private: bool | None = None
    to_read: bool | None = None
    health: Health | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    owner: Id | None = None


class TagQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`order` by name or by how many links have the tag, most first."""

    prefix: str = ""
    order: TagOrder = "tag"
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 100
    cursor: str | None = None


class SuggestionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a link about to be saved; `tag` is what was chosen for it already."""

    url: str = ""
    title: Annotated[str, Meta(max_length=MAX_TITLE_CHARACTERS)] = ""
    tag: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class TagsToDelete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tag: list[str]
