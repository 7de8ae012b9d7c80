"""A broker with empty streams, and a database with an outbox, as a service would use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
import pytest
from nats.js import JetStreamContext
from prometheus_client import CollectorRegistry

from services.kit.db import Database, open_pool
from services.kit.events.bus import Bus, open_bus
from services.kit.events.consumer import Consumer, ConsumerMetrics, Handler, Subscription
from services.kit.events.outbox import OutboxMetrics, Relay
from services.kit.settings import Secret, ServiceSettings
from tests.conftest import MigratedDatabase, RunningNats

PACKAGE = "tests.integration.kit.sample"
NOTED = "delinkcious.link.noted.v1"


class Noted(msgspec.Struct, frozen=True):
    """The data of the events that these tests send."""

    number: int


@dataclass(frozen=True)
class Events:
    """Both ends of the path: `database` with the outbox, the broker, and what makes relays and consumers."""

    database: Database
    nats: RunningNats
    sender: Bus
    registry: CollectorRegistry

    def relay(self) -> Relay:
        return Relay(self.database, self.sender, "links", OutboxMetrics(CollectorRegistry()))

    @asynccontextmanager
    async def consuming(self, handler: Handler) -> AsyncIterator[Consumer]:
        """A consumer with a connection of its own, as one replica has."""
        async with open_bus(self.nats.url("news"), "news") as broker:
            metrics = ConsumerMetrics(CollectorRegistry(), "news")
            consumer = Consumer(broker, "news", (Subscription(NOTED, Noted, handler),), metrics)
            async with consumer.running():
                yield consumer

    async def write(self, key: int, *numbers: int) -> None:
        """One event for each number, as the statement of a store would write them."""
        sql = """
            INSERT INTO outbox (key, type, data) SELECT $1, $2, jsonb_build_object('number', n)
            FROM unnest($3::int[]) WITH ORDINALITY AS numbers(n, place) ORDER BY place"""
        await self.database.execute(sql, key, NOTED, list(numbers))

    async def waiting(self) -> int:
        """Events that are not published yet."""
        return int(await self.database.fetchval("SELECT count(*) FROM outbox"))

    async def jetstream(self) -> JetStreamContext:
        return await self.sender.connected()


@pytest.fixture
async def events(broker: RunningNats, migrated_database: MigratedDatabase) -> AsyncIterator[Events]:
    settings = ServiceSettings(database_url=Secret(await migrated_database(PACKAGE)))
    async with (
        open_pool(settings) as database,
        open_bus(broker.url("links"), "links") as sender,
    ):
        yield Events(database, broker, sender, CollectorRegistry())
