"""The receiving side: durable consumers that see each event of a user in order, and act on it once.

A consumer is eight of JetStream's, one for each partition, with one event on its way at a time: all replicas
together handle the events of a user one after the other, whoever of them is free. What fails is delivered
again after a while; what fails again and again, though its dependencies are there, becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import nats.errors
import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.kit.background import background
from services.kit.db import Database
from services.kit.errors import BadGateway, DeadlineExceeded, Problem, Unavailable
from services.kit.events import bus, dead_letters, envelope
from services.kit.events.bus import Bus
from services.kit.events.envelope import PARTITIONS, Event, InvalidEvent
from telemetry.instrumentation import messaging
from telemetry.recording import Recorder
from telemetry.traces import TRACEPARENT

# A handler gets the envelope and its data.
Handler = Callable[[Event, Any], Awaitable[None]]

# A replica that died is noticed after this long; one that lives says so more often.
ACK_WAIT_S = 5.0
BEAT_S = 1.5
HANDLED_WITHIN_S = 15.0
FETCH_S = 2.0
# The pause before the second, third, ... attempt; after the last one an event is a dead letter.
BACKOFF_S = (0.1, 0.5, 2.0, 5.0)
AWAY_S = 0.5
MEASURE_EVERY_S = 2.0
# Recorded ids outlive what the stream keeps.
FORGET_AFTER = "8 days"
FORGET_ROWS = 20

RECORD = """
    INSERT INTO consumed_events (consumer, id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"""
FORGET = """
    DELETE FROM consumed_events WHERE (consumer, id) IN (
        SELECT consumer, id FROM consumed_events WHERE consumed_at < now() - $1::text::interval
        ORDER BY consumed_at LIMIT $2 FOR UPDATE SKIP LOCKED)"""

DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# What a handler raises when something that it needs is away, a peer or a store.
AWAY = (Unavailable, BadGateway, DeadlineExceeded, OSError, TimeoutError, asyncpg.PostgresConnectionError)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Subscription:
    """What a consumer wants: an event type, the struct of its data, and what to do.

    An event of that type that cannot be read as `kind` is a dead letter at once.
    """

    event_type: str
    kind: type[Any]
    handler: Handler


class ConsumerMetrics:
    """What one process has handled, and what waits for all replicas together."""

    def __init__(self, registry: CollectorRegistry, consumer: str) -> None:
        labels = ("consumer",)
        self.duration = Histogram(
            "events_handling_duration_seconds",
            "Time that one attempt at an event took, by type and outcome.",
            ("consumer", "type", "outcome"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.redelivered = Counter(
            "events_redelivered", "Events that came again.", labels, registry=registry
        ).labels(consumer)
        self.dead = Counter(
            "events_dead_lettered", "Events that were given up.", labels, registry=registry
        ).labels(consumer)
        self.pending = Gauge(
            "events_pending", "Events that this consumer has still to handle.", labels, registry=registry
        ).labels(consumer)


def once(database: Database, consumer: str, handler: Handler) -> Handler:
    """`handler` in one transaction with the record of the event: it acts on each event once."""

    async def handle(event: Event, data: Any) -> None:
        async with database.transaction() as connection:
            if await connection.fetchval(RECORD, consumer, event.id):
                await handler(event, data)
                await connection.execute(FORGET, FORGET_AFTER, FORGET_ROWS)

    return handle


@asynccontextmanager
async def _kept(message: Msg) -> AsyncIterator[None]:
    """Tell the broker that the event is being handled, as long as it is."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            with contextlib.suppress(*bus.AWAY):
                await message.in_progress()

    async with background(beat()):
        yield


class Consumer:
    """A named, durable reader of some types of events. Handlers must be safe to run twice; see `once`."""

    def __init__(
        self,
        broker: Bus,
        name: str,
        subscriptions: tuple[Subscription, ...],
        metrics: ConsumerMetrics,
        recorder: Recorder | None = None,
    ) -> None:
        self.name = name
        self._recorder = recorder
        self._bus = broker
        self._metrics = metrics
        self._at_work: set[asyncio.Task[Any]] = set()
        self._wanted: Mapping[str, Subscription] = {wanted.event_type: wanted for wanted in subscriptions}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Handle events in the background as long as the block lasts; an event in work is finished first."""
        stopping = asyncio.Event()
        async with background(*(self._work(number, stopping) for number in range(PARTITIONS)), self._watch()):
            try:
                yield
            finally:
                stopping.set()
                if self._at_work:
                    await asyncio.wait(self._at_work, timeout=HANDLED_WITHIN_S)

    def durable(self, number: int) -> str:
        """The JetStream consumer of one partition."""
        return f"{self.name}-{number}"

    def _config(self, number: int) -> ConsumerConfig:
        subjects = [f"events.{number}.{name}" for name in self._wanted]
        return ConsumerConfig(
            durable_name=self.durable(number),
            filter_subjects=[*subjects, dead_letters.replayed(self.name, number)],
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=1,
            max_deliver=-1,
        )

    async def _work(self, number: int, stopping: asyncio.Event) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - it is one
        source: JetStreamContext.PullSubscription | None = None
        while not stopping.is_set():
            try:
                source = source or await self._subscribe(number)
                for message in await source.fetch(1, timeout=FETCH_S):
                    self._at_work.add(me)
                    try:
                        await self._handle(message)
                    finally:
                        self._at_work.remove(me)
            except TimeoutError:
                continue
            except bus.AWAY as error:
                _log.warning("events not received, trying again", consumer=self.name, error=repr(error))
                source = None
                await asyncio.sleep(AWAY_S)

    async def _subscribe(self, number: int) -> JetStreamContext.PullSubscription:
        jetstream = await self._bus.connected()
        await jetstream.add_consumer(bus.EVENTS, self._config(number))
        return await jetstream.pull_subscribe_bind(self.durable(number), bus.EVENTS)

    async def _handle(self, message: Msg) -> None:
        attempt = message.metadata.num_delivered
        if attempt > 1:
            self._metrics.redelivered.inc()
        began, kind, outcome = time.perf_counter(), "(unreadable)", "done"
        try:
            event = envelope.decode(message.data)
            wanted = self._wanted.get(event.type)
            if wanted is not None:
                kind = wanted.event_type
                async with asyncio.timeout(HANDLED_WITHIN_S), _kept(message):
                    with self._processing(message, event, attempt):
                        await wanted.handler(event, envelope.read(event, wanted.kind))
            await message.ack_sync(timeout=bus.TIMEOUT_S)
        except InvalidEvent as error:
            outcome = "dead"
            await self._give_up(message, attempt, error)
        except (*AWAY, *bus.AWAY) as error:
            # What it needs is away: it is not to blame, and is never given up for that.
            outcome = "away"
            _log.warning("event waits", consumer=self.name, type=kind, error=repr(error))
            await message.nak(delay=BACKOFF_S[min(attempt, len(BACKOFF_S)) - 1])
        except Exception as error:
            # A handler's fault, whichever: the event behind it must not stop all that come after.
            outcome = "failed" if attempt <= len(BACKOFF_S) else "dead"
            _log.error("event failed", consumer=self.name, type=kind, attempt=attempt, exc_info=error)
            if outcome == "dead":
                await self._give_up(message, attempt, error)
            else:
                await message.nak(delay=BACKOFF_S[attempt - 1])
        finally:
            duration = time.perf_counter() - began
            self._metrics.duration.labels(self.name, kind, outcome).observe(duration)

    def _processing(self, message: Msg, event: Event, attempt: int) -> AbstractContextManager[object]:
        told = self._bus.message(event, len(message.data))
        publication = (message.headers or {}).get(TRACEPARENT, "")
        return messaging.processing(told, publication, self.name, attempt, self._recorder)

    async def _give_up(self, message: Msg, attempt: int, error: Exception) -> None:
        """Move it to the dead letters; it stays where it is until they have it."""
        reason = str(error) if isinstance(error, InvalidEvent | Problem) else type(error).__name__
        jetstream = await self._bus.connected()
        await dead_letters.keep(jetstream, self.name, message, attempt, reason)
        await message.ack_sync(timeout=bus.TIMEOUT_S)
        self._metrics.dead.inc()
        _log.error("event given up", consumer=self.name, subject=message.subject, reason=reason)

    async def _watch(self) -> None:
        jetstream = await self._bus.connected()
        while True:
            try:
                infos = [
                    await jetstream.consumer_info(bus.EVENTS, self.durable(number))
                    for number in range(PARTITIONS)
                ]
                self._metrics.pending.set(
                    sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)
                )
            except (*bus.AWAY, nats.js.errors.Error):
                pass
            await asyncio.sleep(MEASURE_EVERY_S)
