"""What the owning services know: all links, an author's newest public ones, who follows whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

from services.kit.errors import BadGateway, Problem, Unavailable
from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.page import Page
from services.kit.settings import Secret
from services.news.domain import LinkState
from services.news.events import Edge

T = TypeVar("T")

PAGE = 1_000
# Of links that are as large as links may be, so many fit into an answer.
SMALL_PAGE = 50


@dataclass(frozen=True)
class Sources:
    """Internal calls of the owning services; raises Unavailable."""

    http: HttpClient
    service_token: Secret
    links_url: str
    social_graph_url: str

    async def links(self) -> AsyncIterator[list[LinkState]]:
        """Every link, private ones too, in the order of (owner, id), page by page."""
        async for items in self._pages(f"{self.links_url}/internal/v1/links", Page[LinkState], {}):
            yield items

    async def link(self, owner_id: int, link_id: int) -> LinkState | None:
        """A link as it is now; None when it is gone."""
        url = f"{self.links_url}/internal/v1/links"
        async for items in self._pages(url, Page[LinkState], {"owner": owner_id, "id": link_id}):
            return items[0] if items else None
        return None

    async def public_links(self, owner_id: int) -> AsyncIterator[list[LinkState]]:
        """An author's public links, newest first, page by page."""
        url = f"{self.links_url}/internal/v1/public-links"
        async for items in self._pages(url, Page[LinkState], {"owner": owner_id}):
            yield items

    async def edges(self) -> AsyncIterator[list[Edge]]:
        """Who follows whom, everybody, page by page."""
        async for items in self._pages(f"{self.social_graph_url}/internal/v1/edges", Page[Edge], {}):
            yield items

    async def follows(self, follower_id: int, followee_id: int) -> bool:
        """Whether somebody follows somebody now."""
        url = f"{self.social_graph_url}/internal/v1/following/{{follower_id}}"
        async for items in self._pages(url, Page[int], {}, {"follower_id": follower_id}):
            if followee_id in items:
                return True
        return False

    async def _pages(
        self, url: str, kind: type[Page[T]], parameters: dict[str, Any], path: dict[str, object] | None = None
    ) -> AsyncIterator[list[T]]:
        headers = {SERVICE_TOKEN: self.service_token.first()}
        asked = {**parameters, "limit": PAGE}
        while True:
            try:
                page = await self.http.call("GET", url, kind, path=path, params=asked, headers=headers)
            except BadGateway as error:
                if asked["limit"] == SMALL_PAGE:
                    raise Unavailable(f"{url} cannot be read now") from error
                # Perhaps it was more than is read at once: somebody's links may be that large.
                asked["limit"] = SMALL_PAGE
                continue
            except Problem as error:
                # Whatever it is, it is the owner's trouble: an event that needs this is not to blame for it.
                raise Unavailable(f"{url} cannot be read now") from error
            yield page.items
            if page.next is None:
                return
            asked |= {"cursor": page.next, "limit": PAGE}
