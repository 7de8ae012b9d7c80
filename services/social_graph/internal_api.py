"""Requests of other services: whose timelines something belongs to, and all edges, to build those anew."""

from __future__ import annotations

from services.kit import page
from services.kit.endpoint import Access, Endpoint
from services.kit.page import Page
from services.social_graph.api import Deps
from services.social_graph.domain import Edge
from services.social_graph.queries import EdgePlace, InternalQuery, Place


async def list_follower_ids(deps: Deps, user_id: int, query: InternalQuery) -> Page[int]:
    """Who follows somebody, by id; who comes meanwhile comes last. Nobody, for somebody who is not known."""
    ids, end = await deps.lists.follower_ids(user_id, _after(query), query.limit)
    return Page(items=ids, next=None if end is None else page.encode(Place(end)))


async def list_following_ids(deps: Deps, user_id: int, query: InternalQuery) -> Page[int]:
    """Whom somebody follows, by id; who comes meanwhile comes last. Nobody, for somebody who is not known."""
    ids, end = await deps.lists.following_ids(user_id, _after(query), query.limit)
    return Page(items=ids, next=None if end is None else page.encode(Place(end)))


async def list_edges(deps: Deps, query: InternalQuery) -> Page[Edge]:
    """Who follows whom, all of it, in the order of ids."""
    after = EdgePlace(0, 0) if query.cursor is None else page.decode(EdgePlace, query.cursor)
    edges, end = await deps.lists.edges(after, query.limit)
    return Page(items=edges, next=None if end is None else page.encode(end))


def _after(query: InternalQuery) -> int:
    return 0 if query.cursor is None else page.decode(Place, query.cursor).version


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/internal/v1/followers/{user_id:int}",
        handler=list_follower_ids,
        access=Access.INTERNAL,
    ),
    Endpoint(
        method="GET",
        path="/internal/v1/following/{user_id:int}",
        handler=list_following_ids,
        access=Access.INTERNAL,
    ),
    Endpoint(method="GET", path="/internal/v1/edges", handler=list_edges, access=Access.INTERNAL),
)
