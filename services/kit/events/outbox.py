"""The outbox: events written together with the state they tell of, and the relay that publishes them.

A store writes an event with `INSERT_EVENT` as one of the CTEs of its statement, or a trigger does it. One
relay of all replicas works at a time, so that events leave in the order of their sequence; it takes a row
away only when the broker has acknowledged it. When it dies in between, the row is published again: the broker
drops it (`Nats-Msg-Id`), or else every consumer does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import msgspec
import structlog
from nats.js import JetStreamContext
from nats.js.api import Header
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.kit.background import background
from services.kit.db import Database, Record
from services.kit.errors import Problem
from services.kit.events import bus, envelope
from services.kit.events.bus import Bus, open_bus
from services.kit.events.envelope import Event
from services.kit.resources import Resources
from services.kit.settings import ServiceSettings
from telemetry.instrumentation import messaging
from telemetry.recording import Recorder
from telemetry.traces import TRACEPARENT, traceparent_of

# `{key}`, `{type}`, `{data}` are SQL expressions; `{source}` is what gives a row for each event.
INSERT_EVENT = "INSERT INTO outbox (key, type, data) SELECT {key}, {type}, {data} FROM {source}"
# What a statement says first, in a CTE that is sure to run, so that its events continue the request's trace.
SET_TRACE = "set_config('delinkcious.traceparent', {parameter}, true)"

BATCH = 500
# An event waits this long at most before the relay looks: a tenth of what a reader notices.
POLL_S = 0.05
# Another replica's relay works; it may have died.
STANDBY_S = 0.5
RETRY_S = 0.5
MEASURE_EVERY_S = 2.0
# Any number, as long as it is the same in every replica: the letters "outb".
LOCK = 0x6F757462

LEAD = "SELECT pg_try_advisory_xact_lock($1)"
TAKE = """
    SELECT sequence, id, key, type, data, traceparent, created_at FROM outbox ORDER BY sequence LIMIT $1"""
DONE = "DELETE FROM outbox WHERE sequence = ANY($1::bigint[])"
WAITING = """
    SELECT count(*) AS rows,
           coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS lag_s
    FROM (SELECT created_at FROM outbox ORDER BY sequence LIMIT 100000) AS first_ones"""

_log = structlog.get_logger(__name__)


class OutboxMetrics:
    """What the relay has done and what still waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.published = Counter(
            "events_published", "Events that the broker has acknowledged.", ("type",), registry=registry
        )
        self.failures = Counter(
            "events_publish_failures",
            "Rounds of the relay that failed and are tried again.",
            registry=registry,
        )
        self.waiting = Gauge("outbox_rows", "Events that wait to be published.", registry=registry)
        self.lag = Gauge("outbox_lag_seconds", "Age of the oldest event that waits.", registry=registry)


async def publish_from(resources: Resources, settings: ServiceSettings, source: str) -> Bus | None:
    """Relay the events of this process's database as long as it runs; not at all (None) without NATS_URL."""
    if not settings.nats_url:
        return None
    broker = await resources.enter(
        "broker", open_bus(settings.nats_url, source, resources.registry, settings.nats_replicas)
    )
    metrics = OutboxMetrics(resources.registry)
    relay = Relay(resources.database, broker, source, metrics, resources.recorder)
    # Not among what readiness asks: what is saved while the broker is away is published later.
    await resources.enter("relay", relay.running())
    return broker


class Relay:
    """Publishes the outbox of one database; several replicas may run one each, one of them works."""

    def __init__(
        self,
        database: Database,
        broker: Bus,
        source: str,
        metrics: OutboxMetrics,
        recorder: Recorder | None = None,
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._bus = broker
        self._source = f"/delinkcious/{source}"
        self._metrics = metrics

    async def round(self) -> int | None:
        """Publish what waits, a bounded number; how many, or None when another replica is at it.

        Raises a nats or asyncio error when the broker is away, a Problem when the database is.
        """
        jetstream = await self._bus.connected()
        async with self._database.transaction() as connection:
            if not await connection.fetchval(LEAD, LOCK):
                return None
            rows = await connection.fetch(TAKE, BATCH)
            if not rows:
                return 0
            acknowledged = [await self._publish(jetstream, self._event(row)) for row in rows]
            async with asyncio.timeout(bus.TIMEOUT_S):
                await asyncio.gather(*acknowledged)
            await connection.execute(DONE, [row["sequence"] for row in rows])
        for row in rows:
            self._metrics.published.labels(row["type"]).inc()
        return len(rows)

    async def _publish(self, jetstream: JetStreamContext, event: Event) -> asyncio.Future[Any]:
        """Send an event off; the result is the broker's acknowledgement."""
        body = envelope.encode(event)
        headers = {Header.MSG_ID.value: event.id}
        span = messaging.publishing(self._bus.message(event, len(body)), self._recorder)
        if span is not None:
            headers[TRACEPARENT] = traceparent_of(span)
        try:
            acknowledged: asyncio.Future[Any] = await jetstream.publish_async(
                envelope.subject(event), body, wait_stall=bus.TIMEOUT_S, headers=headers
            )
        except BaseException as error:
            messaging.lost(span, error)
            raise
        if span is not None:
            acknowledged.add_done_callback(partial(messaging.published, span))
        return acknowledged

    async def measure(self) -> None:
        """Look how much waits."""
        row = await self._database.fetchrow(WAITING)
        assert row is not None  # noqa: S101 - an aggregate gives a row
        self._metrics.waiting.set(row["rows"])
        self._metrics.lag.set(row["lag_s"])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Relay in the background as long as the block lasts."""
        async with background(self._relay(), self._watch()):
            yield

    async def _relay(self) -> None:
        while True:
            try:
                published = await self.round()
            except (*bus.AWAY, Problem, asyncpg.PostgresError) as error:
                self._metrics.failures.inc()
                _log.warning("events not published, trying again", error=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_S)
                continue
            if published is None:
                await asyncio.sleep(STANDBY_S)
            elif published < BATCH:
                await asyncio.sleep(POLL_S)

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(Problem, asyncpg.PostgresError):
                await self.measure()
            await asyncio.sleep(MEASURE_EVERY_S)

    def _event(self, row: Record) -> Event:
        return Event(
            specversion="1.0",
            id=str(row["id"]),
            source=self._source,
            type=row["type"],
            time=row["created_at"],
            partitionkey=str(row["key"]),
            sequence=str(row["sequence"]),
            traceparent=row["traceparent"],
            data=msgspec.Raw(row["data"].encode()),
        )
