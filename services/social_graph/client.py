"""The social graph as other programs use it: typed calls over the kit's HTTP client, and its events."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.page import Page
from services.kit.settings import Secret
from services.social_graph.domain import Edge, ListedPerson, Person, Suggestion
from services.social_graph.events import (
    BLOCKED,
    FOLLOWED,
    UNBLOCKED,
    UNFOLLOWED,
    Blocked,
    Followed,
    Unblocked,
    Unfollowed,
)
from services.social_graph.queries import InternalQuery, ListQuery, SuggestionQuery

__all__ = [
    "BLOCKED",
    "FOLLOWED",
    "UNBLOCKED",
    "UNFOLLOWED",
    "Blocked",
    "Edge",
    "Followed",
    "InternalQuery",
    "ListQuery",
    "ListedPerson",
    "Person",
    "SocialGraphClient",
    "SocialGraphInternalClient",
    "Suggestion",
    "Unblocked",
    "Unfollowed",
]

T = TypeVar("T")

# Gives an access token that is valid now; asked before every call, so it may renew what it gives.
Token = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class SocialGraphClient:
    """Calls on behalf of the user whose token it is given; raises the kit's Problems.

    NotFound for a name that nobody has, Forbidden where a block is in the way, Conflict beyond a limit.
    """

    http: HttpClient
    token: Token
    base_url: str = "http://social-graph"

    async def follow(self, username: str) -> None:
        await self._call("PUT", "/following/{username}", type(None), path={"username": username})

    async def unfollow(self, username: str) -> None:
        await self._call("DELETE", "/following/{username}", type(None), path={"username": username})

    async def following(self, query: ListQuery) -> Page[ListedPerson]:
        return await self._call("GET", "/following", Page[ListedPerson], query)

    async def followers(self, query: ListQuery) -> Page[ListedPerson]:
        return await self._call("GET", "/followers", Page[ListedPerson], query)

    async def person(self, username: str) -> Person:
        """Somebody as the caller may see them; oneself, too."""
        return await self._call("GET", "/people/{username}", Person, path={"username": username})

    async def block(self, username: str) -> None:
        await self._call("PUT", "/blocks/{username}", type(None), path={"username": username})

    async def unblock(self, username: str) -> None:
        await self._call("DELETE", "/blocks/{username}", type(None), path={"username": username})

    async def blocks(self, query: ListQuery) -> Page[ListedPerson]:
        return await self._call("GET", "/blocks", Page[ListedPerson], query)

    async def suggestions(self, limit: int = 10) -> list[Suggestion]:
        """Whom one may want to follow, the likeliest first."""
        query = SuggestionQuery(limit=limit)
        return (await self._call("GET", "/suggestions", Page[Suggestion], query)).items

    async def _call(
        self,
        method: str,
        route: str,
        kind: type[T],
        query: msgspec.Struct | None = None,
        path: Mapping[str, object] | None = None,
    ) -> T:
        return await self.http.call(
            method,
            f"{self.base_url}/api/v1{route}",
            kind,
            path=path,
            params=None if query is None else _parameters(query),
            headers={} if method == "GET" else {"idempotency-key": uuid.uuid4().hex},
            token=await self.token(),
        )


@dataclass(frozen=True)
class SocialGraphInternalClient:
    """Calls of a service for no user; `service_token` is the installation's."""

    http: HttpClient
    service_token: Secret
    base_url: str = "http://social-graph"

    async def followers(self, user_id: int, query: InternalQuery) -> Page[int]:
        """One page of the ids of who follows somebody."""
        return await self._call("/followers/{user_id}", Page[int], query, {"user_id": user_id})

    async def following(self, user_id: int, query: InternalQuery) -> Page[int]:
        """One page of the ids of those whom somebody follows."""
        return await self._call("/following/{user_id}", Page[int], query, {"user_id": user_id})

    async def edges(self, query: InternalQuery) -> Page[Edge]:
        """One page of all edges."""
        return await self._call("/edges", Page[Edge], query)

    async def every_edge(self, *, page_size: int = 1_000) -> AsyncIterator[Edge]:
        """All edges, page by page."""
        query = InternalQuery(limit=page_size)
        while True:
            page = await self.edges(query)
            for edge in page.items:
                yield edge
            if page.next is None:
                return
            query = msgspec.structs.replace(query, cursor=page.next)

    async def _call(
        self, route: str, kind: type[T], query: msgspec.Struct, path: Mapping[str, object] | None = None
    ) -> T:
        return await self.http.call(
            "GET",
            f"{self.base_url}/internal/v1{route}",
            kind,
            path=path,
            params=_parameters(query),
            headers={SERVICE_TOKEN: self.service_token.first()},
        )


def _parameters(query: msgspec.Struct) -> dict[str, object]:
    return {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
