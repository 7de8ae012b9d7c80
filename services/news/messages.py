"""What the service and its client agree on besides the messages themselves."""

from __future__ import annotations

import msgspec

from services.kit.grpc.method import Name
from services.news.proto.news_pb2 import GetNewsRequest, NewsItem, NewsPage, WatchNewsRequest

SERVICE = "delinkcious.news.v1.News"
GET_NEWS = Name(SERVICE, "GetNews", GetNewsRequest, NewsPage)
WATCH_NEWS = Name(SERVICE, "WatchNews", WatchNewsRequest, NewsItem)


class Position(msgspec.Struct, frozen=True):
    """Where an item stands, opaque to clients."""

    value: bytes
