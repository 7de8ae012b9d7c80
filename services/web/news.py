"""News as the pages use them: what those whom a reader follows have saved, with the names of who saved it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from services.kit.page import Page
from services.news import client
from services.web.public import Public


class NewsItem(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody saved a link; `position` is where it stands among the news."""

    link_id: int
    owner_id: int
    username: str
    url: str
    title: str
    note: str
    tags: list[str]
    saved_at: dt.datetime
    position: str = ""


@dataclass(frozen=True)
class News:
    """Calls on behalf of the user whose access token is given; raises the kit's Problems."""

    client: client.NewsClient
    public: Public

    async def page(self, token: str, *, limit: int = 20, cursor: str | None = None) -> Page[NewsItem]:
        found = await self.client.page(token, limit=limit, cursor=cursor)
        names = await self.public.names(item.owner_id for item in found.items)
        # Whoever has no name any more is gone, and so will be what is left of them.
        items = [_named(item, names[item.owner_id]) for item in found.items if item.owner_id in names]
        return Page(items=items, next=found.next)

    async def watch(self, token: str, *, after: str | None = None) -> AsyncGenerator[NewsItem, None]:
        """Every item as it comes; first those that came after the one at the position `after`."""
        names: dict[int, str] = {}
        async with aclosing(self.client.watch(token, after=after)) as items:
            async for item in items:
                if item.owner_id not in names:
                    names |= await self.public.names([item.owner_id])
                if item.owner_id in names:
                    yield _named(item, names[item.owner_id])


def _named(item: client.NewsItem, username: str) -> NewsItem:
    return NewsItem(
        link_id=item.id,
        owner_id=item.owner_id,
        username=username,
        url=item.url,
        title=item.title,
        note=item.note,
        tags=item.tags,
        saved_at=item.created_at,
        position=item.position,
    )
