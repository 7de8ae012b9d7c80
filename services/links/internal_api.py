"""What other services ask about links, for no user: everything for a rebuild, public links for feeds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.kit import page
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import BadRequest
from services.kit.page import Page
from services.links import domain
from services.links.api import Deps
from services.links.domain import Id, Link
from services.links.events import LinkSaved
from services.links.problems import InvalidField, fields_checked

MAX_LIMIT = 1_000


class After(msgspec.Struct, frozen=True):
    """The last link of a page of all."""

    owner_id: int
    id: int


class Everything(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All links in the order of (owner_id, id); `owner` for those of one, with `id` for one of those."""

    owner: Id | None = None
    id: Id | None = None
    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 500


class PublicQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Public links, newest first: of one owner, or of everybody; with all of the tags."""

    owner: Id | None = None
    tag: list[str] = []
    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 50


async def all_links(deps: Deps, query: Everything) -> Page[LinkSaved]:
    """Every link as its last event told it, private ones too."""
    if query.id is not None:
        if query.owner is None:
            raise BadRequest("`id` needs `owner`", parameter="id")
        found = await deps.feeds.one(query.owner, query.id)
        return Page(items=[] if found is None else [found])
    after = None if query.cursor is None else page.decode(After, query.cursor)
    place = (0, 0) if after is None else (after.owner_id, after.id)
    links, more = await deps.feeds.everything(query.owner, place, query.limit)
    last = links[-1] if more else None
    return Page(items=links, next=page.encode(After(last.owner_id, last.id)) if last else None)


async def public_links(deps: Deps, query: PublicQuery) -> Page[Link]:
    """Links that their owners show to everybody."""
    with fields_checked():
        tags = [domain.one_tag(tag, f"/tag/{position}") for position, tag in enumerate(query.tag)]
    after = None if query.cursor is None else page.decode(domain.Moment, query.cursor)
    links, more = await deps.feeds.public(query.owner, tags, after, query.limit)
    last = links[-1] if more else None
    return Page(items=links, next=page.encode(domain.Moment(last.created_at, last.id)) if last else None)


ENDPOINTS = (
    Endpoint(method="GET", path="/internal/v1/links", handler=all_links, access=Access.INTERNAL),
    Endpoint(
        method="GET",
        path="/internal/v1/public-links",
        handler=public_links,
        access=Access.INTERNAL,
        raises=(InvalidField,),
    ),
)
