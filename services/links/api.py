"""Requests about links: parse, call the domain and the stores, return a struct."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from services.kit import page
from services.kit.auth import Principal
from services.kit.endpoint import Access, Created, Endpoint, NoContent, Reply
from services.kit.errors import BadRequest, Conflict, NotFound, PreconditionFailed, Unprocessable
from services.kit.page import Page
from services.links import bulk, domain
from services.links.bookmarks.exports import Exports
from services.links.bookmarks.imports import Imports
from services.links.bulk import Bulk, BulkReport
from services.links.bulk_store import BulkStore
from services.links.domain import Counts, Link, LinkChange, NewLink
from services.links.feed_store import FeedStore
from services.links.listing_store import ListingStore
from services.links.paging import OrderName, Position, is_place_in
from services.links.places import Places
from services.links.problems import InvalidField, QuotaExceeded, fields_checked
from services.links.queries import LinkQuery
from services.links.search.store import SearchStore
from services.links.selection import Selection
from services.links.store import LinkStore
from services.links.tag_store import TagStore

# Longer than other requests take, shorter than the patience of the proxies before us (15 s).
BULK_DEADLINE_S = 14.0

_STRONG_TAG = re.compile(r'(?<!W/)"(\d{1,18})"')


@dataclass(frozen=True)
class Deps:
    """What the handlers work with; `costly` has the places of searches and numbered lists."""

    links: LinkStore
    tags: TagStore
    bulk: BulkStore
    search: SearchStore
    listing: ListingStore
    imports: Imports
    exports: Exports
    feeds: FeedStore
    costly: Places


class Precondition(msgspec.Struct, frozen=True):
    if_match: str | None = None

    def versions(self) -> list[int] | None:
        """The versions that a change may be based on; None for any."""
        if self.if_match is None or self.if_match.strip() == "*":
            return None
        return [int(version) for version in _STRONG_TAG.findall(self.if_match)]


async def save_link(deps: Deps, principal: Principal, body: NewLink) -> Created[Link] | Reply[Link]:
    """Save a link; a URL that is saved already is updated (200), fields left out keep their value."""
    with fields_checked():
        values = domain.normalise(body)
    link, is_new = await deps.links.save(principal.user_id, values, only_new=body.only_new)
    if is_new:
        return Created(link, f"/api/v1/links/{link.id}", str(link.version))
    return Reply(link, etag=str(link.version), status=200)


async def get_link(deps: Deps, principal: Principal, link_id: int) -> Reply[Link]:
    """One of the caller's links, with its version as ETag."""
    link = await deps.links.get(principal.user_id, link_id)
    return Reply(link, etag=str(link.version))


async def edit_link(
    deps: Deps, principal: Principal, link_id: int, body: LinkChange, headers: Precondition
) -> Reply[Link]:
    """Change the fields that are sent; with If-Match only if the link still is as it was read."""
    with fields_checked():
        values = domain.normalise(body)
    link = await deps.links.edit(principal.user_id, link_id, values, headers.versions())
    return Reply(link, etag=str(link.version))


async def delete_link(deps: Deps, principal: Principal, link_id: int, headers: Precondition) -> NoContent:
    """Delete a link; with If-Match only if it still is as it was read."""
    await deps.links.delete(principal.user_id, link_id, headers.versions())
    return NoContent()


async def list_links(deps: Deps, principal: Principal, query: LinkQuery) -> Page[Link]:
    """The caller's links, or with `owner` the public links of somebody else.

    A page of very long links may hold fewer than `limit` while `next` leads on.
    """
    owner_id = principal.user_id if query.owner is None else query.owner
    is_own = owner_id == principal.user_id
    if not is_own and (query.private or query.to_read is not None or query.archived is not None):
        raise BadRequest("only an owner can ask for what is private, to_read or archived", parameter="owner")
    after = position_in(query.order, query.cursor)
    read = deps.links.page if is_own else deps.links.public_page
    links, end = await read(owner_id, selection_of(query), query.order, after, query.limit)
    return Page(items=links, next=None if end is None else page.encode(end))


async def count_links(deps: Deps, principal: Principal) -> Counts:
    """How many links the caller has, by kind, and how many it may have."""
    return await deps.links.counts(principal.user_id)


async def change_links(deps: Deps, principal: Principal, body: Bulk) -> BulkReport:
    """Change or delete many links at once: all operations happen, or none."""
    with fields_checked():
        operations = bulk.prepare(body)
    return bulk.report(await deps.bulk.run(principal.user_id, operations))


def selection_of(query: LinkQuery) -> Selection:
    """The filters of a list in the form in which links are stored; raises InvalidField."""
    with fields_checked():
        return Selection(
            tags=[domain.one_tag(tag, f"/tag/{position}") for position, tag in enumerate(query.tag)],
            url=None if query.url is None else domain.checked_url(query.url),
            private=query.private,
            to_read=query.to_read,
            archived=query.archived,
            health=query.health,
            since=query.since and domain.checked_time(query.since),
            until=query.until and domain.checked_time(query.until),
        )


def position_in(order: OrderName, cursor: str | None) -> Position | None:
    """Where a cursor points to; raises BadRequest for one of another order."""
    if cursor is None:
        return None
    position = page.decode(Position, cursor)
    if not is_place_in(order, position):
        raise BadRequest("`cursor` belongs to another order", parameter="cursor")
    return position


_LINK = "/api/v1/links/{link_id:int}"
_SAVING = (InvalidField, Conflict)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/links",
        handler=save_link,
        access=Access.WRITE,
        raises=(InvalidField, QuotaExceeded, Conflict),
        tag="links",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/links",
        handler=list_links,
        access=Access.READ,
        raises=(InvalidField,),
        tag="links",
    ),
    Endpoint(method="GET", path="/api/v1/links/counts", handler=count_links, access=Access.READ, tag="links"),
    Endpoint(
        method="POST",
        path="/api/v1/links/bulk",
        handler=change_links,
        access=Access.WRITE,
        raises=(NotFound, Unprocessable, InvalidField),
        deadline_s=BULK_DEADLINE_S,
        tag="links",
    ),
    Endpoint(method="GET", path=_LINK, handler=get_link, access=Access.READ, raises=(NotFound,), tag="links"),
    Endpoint(
        method="PATCH",
        path=_LINK,
        handler=edit_link,
        access=Access.WRITE,
        raises=(NotFound, PreconditionFailed, *_SAVING),
        tag="links",
    ),
    Endpoint(
        method="DELETE",
        path=_LINK,
        handler=delete_link,
        access=Access.WRITE,
        raises=(NotFound, PreconditionFailed),
        status=204,
        tag="links",
    ),
)
