"""The broker: NATS JetStream, connected as long as the process lives, however often the server is away."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from prometheus_client import CollectorRegistry

from services.kit.background import background
from services.kit.events import envelope
from services.kit.events.envelope import Event
from services.kit.settings import InvalidSettings, Secret
from telemetry.instrumentation.messaging import Message
from telemetry.pools import watch_broker

EVENTS = "EVENTS"
DEAD_LETTERS = "DEAD_LETTERS"

PORT = 4222
TIMEOUT_S = 5.0
RETRY_S = 0.5
PATIENCE: dict[str, Any] = {
    "connect_timeout": 2.0,  # s
    "reconnect_time_wait": 0.25,
    "max_reconnect_attempts": -1,
    # A server that hangs keeps its connections: it is away when it has not answered two of these.
    "ping_interval": 5.0,
    "max_outstanding_pings": 2,
    "pending_size": 1024 * 1024,  # bytes; what waits for a broker that is away is the outbox
}
MAX_PENDING_PUBLISHES = 1_000

DAY_S = 24 * 60 * 60.0
MAX_MESSAGE_BYTES = 512 * 1024
# A relay that died between the broker's acknowledgement and its own commit publishes again within this time.
DUPLICATES_KNOWN_S = 600.0
# How long, and how much of it, a consumer may be away; what is older it rebuilds from the owning services.
KEPT_S = 7 * DAY_S
KEPT_BYTES = 2 * 1024**3
DEAD_KEPT_S = 30 * DAY_S
DEAD_KEPT_BYTES = 256 * 1024**2

STREAMS = (
    StreamConfig(
        name=EVENTS,
        subjects=["events.>", "replay.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=KEPT_S,
        max_bytes=KEPT_BYTES,
        max_msg_size=MAX_MESSAGE_BYTES,
        duplicate_window=DUPLICATES_KNOWN_S,
    ),
    StreamConfig(
        name=DEAD_LETTERS,
        subjects=["dead.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        # A dead letter is somebody's data: rather block its consumer than forget it for a newer one.
        discard=DiscardPolicy.NEW,
        max_age=DEAD_KEPT_S,
        max_bytes=DEAD_KEPT_BYTES,
        max_msg_size=MAX_MESSAGE_BYTES + 16 * 1024,
        duplicate_window=DUPLICATES_KNOWN_S,
    ),
)

AWAY = (nats.errors.Error, OSError, asyncio.TimeoutError)

_log = structlog.get_logger(__name__)


class Bus:
    """One connection to the broker. `await connected()` gives JetStream once the server is there."""

    def __init__(self, client: Client, host: str, port: int, replicas: int = 1) -> None:
        self._client = client
        self._host, self._port, self._replicas = host, port, replicas
        self._ready = asyncio.Event()
        self._closing = False
        self._jetstream = client.jetstream(timeout=TIMEOUT_S, publish_async_max_pending=MAX_PENDING_PUBLISHES)

    async def connected(self) -> JetStreamContext:
        """JetStream with its streams in place; waits for the first connection."""
        await self._ready.wait()
        return self._jetstream

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached now, as far as is known."""
        return self._ready.is_set() and self._client.is_connected

    def message(self, event: Event, size_bytes: int) -> Message:
        """An event as its spans tell of it."""
        return Message(
            stream=EVENTS.lower(),
            subject=envelope.subject(event),
            event_id=event.id,
            event_type=event.type,
            source=event.source,
            cause=event.traceparent,
            size_bytes=size_bytes,
            host=self._host,
            port=self._port,
        )

    async def close(self) -> None:
        """End the connection."""
        self._closing = True
        with contextlib.suppress(*AWAY):
            await self._client.close()

    async def lost(self) -> None:
        if not self._closing:
            _log.warning("the broker is away")

    async def found(self) -> None:
        _log.info("the broker is back")

    async def ensure_streams(self) -> None:
        """Create the streams, or bring them to the bounds above; what they hold stays.

        Their copies are made more, never fewer: services of two settings would undo each other's.
        """
        for stream in STREAMS:
            wanted = dataclasses.replace(stream, num_replicas=self._replicas)
            assert wanted.name is not None  # noqa: S101 - see above
            try:
                found = (await self._jetstream.stream_info(wanted.name)).config
            except nats.js.errors.NotFoundError:
                await self._jetstream.add_stream(wanted)
                continue
            bounds = _said(wanted) | {"num_replicas": max(self._replicas, found.num_replicas or 1)}
            if any(getattr(found, name) != value for name, value in bounds.items()):
                await self._jetstream.update_stream(dataclasses.replace(found, **bounds))
        self._ready.set()


@asynccontextmanager
async def open_bus(
    url: Secret, name: str, registry: CollectorRegistry | None = None, replicas: int = 1
) -> AsyncIterator[Bus]:
    """A bus that connects in the background and for ever, so that the order of starts does not matter.

    `url` is `nats://user:password@host:port`; `name` is shown in the server's list of connections; `replicas`
    is how many servers keep each event.
    Raises InvalidSettings for an address that is none.
    """
    parts = urlsplit(url.reveal())
    if parts.scheme not in ("nats", "tls") or not parts.hostname:
        raise InvalidSettings("NATS_URL is not like nats://user:password@host:4222")
    client = Client()
    bus = Bus(client, parts.hostname, parts.port or PORT, replicas)
    watch_broker(registry, lambda: bus.is_connected)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    server = f"{parts.scheme}://{parts.hostname}:{parts.port or PORT}"
    options = {"user": user, "password": password, "name": name, **PATIENCE}
    try:
        async with background(_connect(client, bus, server, user, options)):
            yield bus
    finally:
        await bus.close()


def _said(config: StreamConfig) -> dict[str, Any]:
    """The fields of a configuration that are set."""
    every = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {name: value for name, value in every.items() if value is not None}


async def _connect(client: Client, bus: Bus, server: str, user: str | None, options: dict[str, Any]) -> None:
    """Connect, again and again until the server is there; from then on the client reconnects by itself."""
    while True:
        try:
            if not client.is_connected:
                await client.connect(
                    servers=[server],
                    inbox_prefix=f"_INBOX.{user}" if user else "_INBOX",
                    error_cb=_noted,
                    disconnected_cb=bus.lost,
                    reconnected_cb=bus.found,
                    **options,
                )
            await bus.ensure_streams()
        except AWAY as error:
            _log.warning("no broker yet", error=str(error) or type(error).__name__)
            await asyncio.sleep(RETRY_S)
        else:
            return


async def _noted(error: Exception) -> None:
    _log.debug("broker", error=str(error) or type(error).__name__)
