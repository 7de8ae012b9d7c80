"""The methods of the gRPC interface: read the request, ask the reader's news, give messages."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator

from google.protobuf.timestamp_pb2 import Timestamp

from services.kit import page
from services.kit.auth import Principal
from services.kit.errors import BadRequest
from services.kit.grpc.method import Stream, Unary
from services.news import domain
from services.news.deps import Deps
from services.news.domain import Cursor, Entry
from services.news.messages import GET_NEWS, WATCH_NEWS, Position
from services.news.proto.news_pb2 import GetNewsRequest, NewsItem, NewsPage, WatchNewsRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


async def get_news(deps: Deps, principal: Principal, request: GetNewsRequest) -> NewsPage:
    """A page of the caller's news, newest first."""
    if not 0 <= request.limit <= MAX_LIMIT:
        raise BadRequest(f"`limit` is 1 to {MAX_LIMIT}", parameter="limit")
    after = page.decode(Cursor, request.cursor) if request.cursor else None
    if after is not None and not (domain.is_position(after.position) and after.shown >= 0):
        raise BadRequest("`cursor` is not a cursor of this list", parameter="cursor")
    entries, following = await deps.news.page(principal.user_id, request.limit or DEFAULT_LIMIT, after)
    return NewsPage(
        items=[message(entry) for entry in entries], next=page.encode(following) if following else ""
    )


async def watch_news(
    deps: Deps, principal: Principal, request: WatchNewsRequest
) -> AsyncGenerator[NewsItem | None, None]:
    """The caller's news as they come."""
    after = page.decode(Position, request.after, parameter="after").value if request.after else None
    if after is not None and not domain.is_position(after):
        raise BadRequest("`after` is not the position of an item", parameter="after")
    async for entry in deps.watch.stream(principal.user_id, after):
        yield None if entry is None else message(entry)


def message(entry: Entry) -> NewsItem:
    """An item as it is sent."""
    item = entry.item
    return NewsItem(
        id=domain.link_of(entry.position),
        owner_id=domain.owner_of(entry.position),
        url=item.url,
        title=item.title,
        note=item.note,
        tags=item.tags,
        created_at=_timestamp(item.created_at),
        updated_at=_timestamp(item.updated_at),
        position=page.encode(Position(entry.position)),
    )


def _timestamp(time: dt.datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(time)
    return made


METHODS = (
    Unary(name=GET_NEWS, handler=get_news),
    Stream(name=WATCH_NEWS, handler=watch_news),
)
