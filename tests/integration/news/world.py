"""Timelines on a real Redis, told of events as the broker would tell them: late, twice, at the same time."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.kit.events import envelope
from services.kit.events.consumer import Subscription
from services.kit.events.envelope import Event
from services.kit.http import open_client
from services.kit.settings import Secret
from services.news import domain
from services.news.connection import Connection, open_redis
from services.news.deps import compose
from services.news.domain import Cursor
from services.news.rebuilding import Builder
from services.news.settings import NewsSettings
from tests.integration.news.owners import TOKEN, Owners, Told

CAP = 6
HOT = 2


@dataclass
class World:
    """The owners' truth and what news has made of it."""

    owners: Owners
    builder: Builder
    redis: Connection
    _handlers: dict[str, Subscription] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._handlers = {each.event_type: each for each in self.builder.changes.subscriptions()}

    async def tell(self, *told: Told, age: dt.timedelta = dt.timedelta(days=-1)) -> None:
        """Events, one after the other; negative `age`: from after whatever was built."""
        for event_type, data in told:
            event = make_event(event_type, data, dt.datetime.now(dt.UTC) - age)
            wanted = self._handlers[event_type]
            await wanted.handler(event, envelope.read(event, wanted.kind))

    async def news(self, reader: int, limit: int = 100) -> list[int]:
        """Everything that a reader is shown, read in pages."""
        found: list[int] = []
        after: Cursor | None = None
        while True:
            entries, after = await self.builder.news.page(reader, limit, after)
            found += [domain.link_of(entry.position) for entry in entries]
            if after is None:
                return found

    async def stored(self) -> bytes:
        """Everything that Redis holds, values of all kinds."""
        # Or a dump would be compressed, and a text in it not be found.
        await self.redis.client.config_set("rdbcompression", "no")
        client = self.redis.client
        return b"\n".join([key + b"\n" + await client.dump(key) async for key in client.scan_iter()])


def make_event(event_type: str, data: object, time: dt.datetime) -> Event:
    return Event(
        specversion="1.0",
        id=str(uuid.uuid4()),
        source="/test",
        type=event_type,
        time=time,
        partitionkey="1",
        sequence="1",
        data=envelope.data_of(data),
    )


@asynccontextmanager
async def opened(url: Secret, owners: Owners, address: str, cap: int = CAP) -> AsyncIterator[World]:
    """A world with nothing in it but an epoch."""
    settings = NewsSettings(
        redis_url=url,
        service_token=Secret(TOKEN),
        links_url=address,
        social_graph_url=address,
        timeline_cap=cap,
        hot_followers=HOT,
    )
    async with open_redis(url) as redis, open_client() as http:
        await redis.client.flushdb()
        world = World(owners, compose(settings, redis, http), redis)
        await world.builder.rebuild()
        yield world
