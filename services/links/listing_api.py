"""Requests for numbered lists: `offset` and `count` for programs that know no cursors.

Pages of our own use `GET /api/v1/links`, whose pages cost the same however far one reads.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import msgspec

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import TooManyRequests
from services.links import domain
from services.links.api import Deps
from services.links.listing import Days, Listing
from services.links.listing_store import Asked
from services.links.places import STRANGERS
from services.links.problems import InvalidField, fields_checked
from services.links.queries import DaysQuery, ListingQuery, PublicListingQuery
from services.links.search.api import MalformedSearch, parsed
from services.links.search.outside import PRIVATE_MARK, seen_from_outside
from services.links.search.store import SearchTooSlow
from services.links.selection import Selection


async def list_numbered(deps: Deps, principal: Principal, query: ListingQuery) -> Listing:
    """A numbered part of the caller's links, with the spelling of their tags and the count of all."""
    asked = asked_of(query)
    async with deps.costly.of(principal.user_id):
        return await deps.listing.listing(principal.user_id, asked, dt.datetime.now(dt.UTC))


async def list_public(deps: Deps, query: PublicListingQuery) -> Listing:
    """The same of public links, as others see them: nothing tells what is only an owner's."""
    asked = asked_of(query)
    selection = asked.selection
    if query.to_read or query.archived or query.private or query.with_notes or _has_private(selection):
        return Listing(0, [])
    selection = msgspec.structs.replace(
        selection, private=False, to_read=None, archived=None, with_notes=None
    )
    node = None if asked.node is None else seen_from_outside(asked.node)
    asked = dataclasses.replace(asked, selection=selection, node=node)
    async with deps.costly.of(STRANGERS):
        return await deps.listing.public(query.owner, asked, dt.datetime.now(dt.UTC))


def _has_private(selection: Selection) -> bool:
    tags = (*selection.tags, *selection.any_tag, *selection.without_tag)
    return any(tag.startswith(PRIVATE_MARK) for tag in tags)


def asked_of(query: ListingQuery) -> Asked:
    """The query in the form in which links are stored; raises InvalidField, MalformedSearch."""
    with fields_checked():
        first = None if query.first is None else domain.checked_url(query.first)
        after = None
        if query.after_time is not None and query.after_url is not None:
            after = (domain.checked_time(query.after_time, "/after_time"), query.after_url.replace("\0", ""))
        return Asked(
            selection=selection_of(query),
            node=None if query.q is None else parsed(query.q),
            first=first,
            order=query.order,
            after=after,
            limit=query.limit,
            offset=query.offset,
            counted=query.counted,
        )


async def list_days(deps: Deps, principal: Principal, query: DaysQuery) -> Days:
    """On which days the caller saved links, the newest first; days without any are absent."""
    with fields_checked():
        tags = _tags(query.tag, "/tag")
    async with deps.costly.of(principal.user_id):
        return Days(await deps.listing.days(principal.user_id, Selection(tags=tags)))


def selection_of(query: ListingQuery) -> Selection:
    """The filters in the form in which links are stored; raises Invalid."""
    return Selection(
        ids=query.id or None,
        tags=_tags(query.tag, "/tag"),
        any_tag=_tags(query.any_tag, "/any_tag"),
        without_tag=_tags(query.without_tag, "/without_tag"),
        url=None if query.url is None else domain.checked_url(query.url),
        private=query.private,
        to_read=query.to_read,
        archived=query.archived,
        with_notes=query.with_notes,
        since=query.since and domain.checked_time(query.since, "/since"),
        until=query.until and domain.checked_time(query.until, "/until"),
        updated_since=query.updated_since and domain.checked_time(query.updated_since, "/updated_since"),
    )


def _tags(tags: list[str], pointer: str) -> list[str]:
    return [domain.one_tag(tag, f"{pointer}/{place}") for place, tag in enumerate(tags)]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/links/listing",
        handler=list_numbered,
        access=Access.READ,
        raises=(InvalidField, MalformedSearch, SearchTooSlow, TooManyRequests),
        tag="links",
    ),
    Endpoint(
        method="GET",
        path="/internal/v1/public-listing",
        handler=list_public,
        access=Access.INTERNAL,
        raises=(InvalidField, MalformedSearch, SearchTooSlow, TooManyRequests),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/links/days",
        handler=list_days,
        access=Access.READ,
        raises=(InvalidField, TooManyRequests),
        tag="links",
    ),
)
