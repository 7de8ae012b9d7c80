"""Requests for lists of bookmarks: one's own, the archived ones, and the public ones of everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from services.kit.errors import NotFound, Unprocessable
from services.links.client import Listing, ListingQuery
from services.web.linkding import answers
from services.web.linkding.bundle import Bundle
from services.web.linkding.bundle_store import BundleStore
from services.web.linkding.call import Call
from services.web.linkding.queries import UnreadableQuery, listing_query
from services.web.programs.limits import Limit
from services.web.programs.strangers import address, public_listing

# Anybody may read the shared list: so often from one address.
ANYBODY = Limit(burst=60, every_s=1)

NOTHING: tuple[int, Sequence[dict[str, Any]]] = (0, ())


async def list_bookmarks(call: Call) -> Response:
    """The caller's bookmarks, but the archived ones."""
    return await _own(call, archived=False)


async def list_archived(call: Call) -> Response:
    """The caller's archived bookmarks."""
    return await _own(call, archived=True)


async def _own(call: Call, *, archived: bool) -> Response:
    query = await _query(call)
    if query is not None:
        query = msgspec.structs.replace(query, archived=archived)
    return await _answer(call, query, call.links.listing)


async def list_shared(call: Call) -> Response:
    """The public bookmarks of everybody, or with `user` of one."""
    if call.caller is None:
        call.deps.limits.spend(ANYBODY, address(call.request))
    query = await _query(call)
    owner_id: int | None = None
    if name := call.given("user"):
        try:
            owner_id = (await call.deps.public.person(name)).user_id
        except NotFound:
            query = None

    async def read(asked: ListingQuery) -> Listing:
        return await public_listing(call.deps, asked, owner_id)

    return await _answer(call, query, read)


async def _answer(
    call: Call, query: ListingQuery | None, listing: Callable[[ListingQuery], Awaitable[Listing]]
) -> Response:
    async def read(limit: int, offset: int) -> tuple[int, Sequence[dict[str, Any]]]:
        if query is None:
            return NOTHING
        try:
            found = await listing(msgspec.structs.replace(query, limit=limit, offset=offset))
        except Unprocessable as problem:
            # What cannot be read finds nothing; what takes too long is no answer.
            if "position" in problem.members:
                return NOTHING
            raise
        return found.count, list(map(answers.bookmark, found.items))

    return await call.page(read)


async def _query(call: Call) -> ListingQuery | None:
    """None for a query that cannot be read: it finds nothing."""
    bundle: Bundle | None = None
    number = call.given("bundle")
    if call.caller is not None and number.isascii() and number.isdigit() and len(number) <= 9:
        try:
            bundle = await BundleStore(call.deps.database).get(call.me.user_id, int(number))
        except NotFound:
            bundle = None
    try:
        return listing_query(call, bundle)
    except UnreadableQuery:
        return None
