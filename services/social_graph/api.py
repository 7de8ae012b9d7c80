"""Requests of people about people: follow, block, look, and be suggested somebody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.kit import page
from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint, NoContent
from services.kit.errors import NotFound, TooManyRequests
from services.kit.page import Page
from services.social_graph.directory import Directory
from services.social_graph.domain import MAX_ID, ListedPerson, Person, Suggestion
from services.social_graph.list_store import ListStore
from services.social_graph.problems import FollowRefused, Oneself, QuotaExceeded
from services.social_graph.queries import ListQuery, Place, SuggestionQuery
from services.social_graph.store import GraphStore

# Gives at most `limit` people of a list below a version, and the version that the next page begins below.
ReadList = Callable[[int, int, int], Awaitable[tuple[list[ListedPerson], int | None]]]


@dataclass(frozen=True)
class Deps:
    """What the handlers work with."""

    graph: GraphStore
    lists: ListStore
    directory: Directory


async def follow(deps: Deps, principal: Principal, username: str) -> NoContent:
    """Follow somebody; whoever is followed already stays so."""
    await deps.graph.follow(principal.user_id, await _other(deps, principal, username))
    return NoContent()


async def unfollow(deps: Deps, principal: Principal, username: str) -> NoContent:
    """Follow somebody no more; whoever is not followed stays so."""
    await deps.graph.unfollow(principal.user_id, await _other(deps, principal, username))
    return NoContent()


async def block(deps: Deps, principal: Principal, username: str) -> NoContent:
    """Block somebody: neither follows the other any more, nor can, nor is suggested to the other."""
    await deps.graph.block(principal.user_id, await _other(deps, principal, username))
    return NoContent()


async def unblock(deps: Deps, principal: Principal, username: str) -> NoContent:
    """Block somebody no more; what the block ended does not come back."""
    await deps.graph.unblock(principal.user_id, await _other(deps, principal, username))
    return NoContent()


async def get_person(deps: Deps, principal: Principal, username: str) -> Person:
    """Somebody: how many follow them, how many they follow, and what is between them and the caller."""
    user_id = await deps.directory.find(principal, username)
    return await deps.graph.person(principal.user_id, user_id)


async def list_following(deps: Deps, principal: Principal, query: ListQuery) -> Page[ListedPerson]:
    """Whom the caller follows, the newest first."""
    return await _page(deps.lists.following, principal, query)


async def list_followers(deps: Deps, principal: Principal, query: ListQuery) -> Page[ListedPerson]:
    """Who follows the caller, the newest first."""
    return await _page(deps.lists.followers, principal, query)


async def list_blocks(deps: Deps, principal: Principal, query: ListQuery) -> Page[ListedPerson]:
    """Whom the caller blocks, the newest first."""
    return await _page(deps.lists.blocks, principal, query)


async def suggest_people(deps: Deps, principal: Principal, query: SuggestionQuery) -> Page[Suggestion]:
    """Whom those follow whom the caller follows, by how many of them do; always one page."""
    return Page(items=await deps.lists.suggestions(principal.user_id, query.limit))


async def _other(deps: Deps, principal: Principal, username: str) -> int:
    """Somebody else by name; raises Oneself, NotFound."""
    user_id = await deps.directory.find(principal, username)
    if user_id == principal.user_id:
        raise Oneself("nobody follows or blocks themselves")
    return user_id


async def _page(read: ReadList, principal: Principal, query: ListQuery) -> Page[ListedPerson]:
    before = MAX_ID if query.cursor is None else page.decode(Place, query.cursor).version
    people, end = await read(principal.user_id, before, query.limit)
    return Page(items=people, next=None if end is None else page.encode(Place(end)))


_FOLLOWING = "/api/v1/following/{username}"
_BLOCKS = "/api/v1/blocks/{username}"
_CHANGING = (NotFound, Oneself, TooManyRequests)

ENDPOINTS = (
    Endpoint(
        method="PUT",
        path=_FOLLOWING,
        handler=follow,
        access=Access.WRITE,
        raises=(*_CHANGING, FollowRefused, QuotaExceeded),
        status=204,
        tag="people",
    ),
    Endpoint(
        method="DELETE",
        path=_FOLLOWING,
        handler=unfollow,
        access=Access.WRITE,
        raises=_CHANGING,
        status=204,
        tag="people",
    ),
    Endpoint(
        method="GET", path="/api/v1/following", handler=list_following, access=Access.READ, tag="people"
    ),
    Endpoint(
        method="GET", path="/api/v1/followers", handler=list_followers, access=Access.READ, tag="people"
    ),
    Endpoint(
        method="GET",
        path="/api/v1/people/{username}",
        handler=get_person,
        access=Access.READ,
        raises=(NotFound,),
        tag="people",
    ),
    Endpoint(
        method="PUT",
        path=_BLOCKS,
        handler=block,
        access=Access.WRITE,
        raises=(*_CHANGING, QuotaExceeded),
        status=204,
        tag="people",
    ),
    Endpoint(
        method="DELETE",
        path=_BLOCKS,
        handler=unblock,
        access=Access.WRITE,
        raises=_CHANGING,
        status=204,
        tag="people",
    ),
    Endpoint(method="GET", path="/api/v1/blocks", handler=list_blocks, access=Access.READ, tag="people"),
    Endpoint(
        method="GET", path="/api/v1/suggestions", handler=suggest_people, access=Access.READ, tag="people"
    ),
)
