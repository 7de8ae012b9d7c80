"""The news service as other programs use it: typed calls over the kit's gRPC channel."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import msgspec

from services.kit.grpc.channel import Channel, open_channel
from services.kit.page import Page
from services.news import messages
from services.news.proto.news_pb2 import GetNewsRequest, WatchNewsRequest
from services.news.proto.news_pb2 import NewsItem as Message

AUTHORITY = "news.delinkcious.svc.cluster.local:50051"


class NewsItem(msgspec.Struct, frozen=True, kw_only=True):
    """A link that somebody whom the reader follows has saved; `position` is for `watch`."""

    id: int
    owner_id: int
    url: str
    title: str
    note: str
    tags: list[str]
    created_at: dt.datetime
    updated_at: dt.datetime
    position: str


@dataclass(frozen=True)
class NewsClient:
    """Calls on behalf of the user whose access token is given; raises the kit's Problems."""

    channel: Channel

    async def page(self, token: str, *, limit: int = 20, cursor: str | None = None) -> Page[NewsItem]:
        """One page, newest first; repeated by itself, within a budget, when the service was not there."""
        request = GetNewsRequest(limit=limit, cursor=cursor or "")
        answer = await self.channel.call(messages.GET_NEWS, request, token=token, repeatable=True)
        return Page(items=[_item(each) for each in answer.items], next=answer.next or None)

    async def watch(self, token: str, *, after: str | None = None) -> AsyncGenerator[NewsItem, None]:
        """Items as they come, until the service ends the stream: after ten minutes, or when it stops.

        Then, and on Unavailable, call again with a token that is valid and the newest `position` as `after`:
        what came meanwhile is sent first. What is up to five minutes older than `after` is sent again, since
        it may have come late: know items by their `id`.
        """
        request = WatchNewsRequest(after=after or "")
        async with aclosing(self.channel.stream(messages.WATCH_NEWS, request, token=token)) as answers:
            async for each in answers:
                yield _item(each)


@asynccontextmanager
async def open_news(proxy: str = "", authority: str = AUTHORITY) -> AsyncIterator[NewsClient]:
    """A client; `proxy` is the setting GRPC_PROXY of who calls."""
    async with open_channel(authority, proxy) as channel:
        yield NewsClient(channel)


def _item(sent: Message) -> NewsItem:
    return NewsItem(
        id=sent.id,
        owner_id=sent.owner_id,
        url=sent.url,
        title=sent.title,
        note=sent.note,
        tags=list(sent.tags),
        created_at=sent.created_at.ToDatetime(dt.UTC),
        updated_at=sent.updated_at.ToDatetime(dt.UTC),
        position=sent.position,
    )
