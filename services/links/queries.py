"""What may stand in the query of each list: shared by the handlers and the client."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.links.domain import MAX_TITLE_CHARACTERS, Health, Id
from services.links.paging import OrderName
from services.links.tags import TagOrder

MAX_LIMIT = 1_000
# Of lists that are paged by number: programs load all their tags at once.
MAX_LISTED = 5_000
MAX_OFFSET = 2**31 - 1


class LinkQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of a list; all must hold, `tag` may be given several times. `until` itself is not included."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 20
    cursor: str | None = None
    order: OrderName = "newest"
    tag: list[str] = []
    url: str | None = None
    private: bool | None = None
    to_read: bool | None = None
    archived: bool | None = None
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


class TagEntryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unused`: also tags that were made on their own and no link has."""

    limit: Annotated[int, Meta(ge=0, le=MAX_LISTED)] = 100
    offset: Annotated[int, Meta(ge=0, le=MAX_OFFSET)] = 0
    unused: bool = True


ListingOrder = Literal["newest", "oldest", "updated", "least-updated", "title", "title-descending", "posted"]


class ListingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of a numbered list; all must hold.

    `q` is of the search language. `first` is an address: its link comes first, and comes even when it does
    not match `q`. `since` and `updated_since` are included, `until` is not. The order `posted` is newest
    first by whole seconds, equal ones by address; `after_time` and `after_url` begin behind a link in it.
    `counted` false leaves the count 0, which saves the counting.
    """

    limit: Annotated[int, Meta(ge=0, le=MAX_LISTED)] = 100
    offset: Annotated[int, Meta(ge=0, le=MAX_OFFSET)] = 0
    order: ListingOrder = "newest"
    id: list[Id] = []
    q: str | None = None
    first: str | None = None
    tag: list[str] = []
    any_tag: list[str] = []
    without_tag: list[str] = []
    url: str | None = None
    private: bool | None = None
    to_read: bool | None = None
    archived: bool | None = None
    with_notes: bool | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    updated_since: dt.datetime | None = None
    after_time: dt.datetime | None = None
    after_url: str | None = None
    counted: bool = True


class PublicListingQuery(ListingQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Public links only: of one owner, or of everybody."""

    owner: Id | None = None


class DaysQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tag`: only links with all of these."""

    tag: list[str] = []


class SuggestionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a link about to be saved; `tag` is what was chosen for it already."""

    url: str = ""
    title: Annotated[str, Meta(max_length=MAX_TITLE_CHARACTERS)] = ""
    tag: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class TagsToDelete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tag: list[str]
