"""Streams of news: who watches is woken when something came, and reads what is new as a page is read.

The message that wakes says nothing but that: what is pushed was allowed to be read at that moment, and a
message that gets lost costs time, not news, since a watcher looks now and then unasked.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis.exceptions
import structlog
from redis.asyncio.client import PubSub

from services.kit.background import background
from services.kit.errors import Unavailable
from services.news import domain, keys
from services.news.domain import Entry, Unseen
from services.news.reading import News

# Events of different authors overtake each other by less.
PATIENCE = dt.timedelta(minutes=5)
UNASKED_S = 15.0
# After a look, so that a burst is one look and not a hundred.
PAUSE_S = 0.1
HOT_PAUSE_S = 0.05
RETRY_S = 0.25
LOOK = 50

_log = structlog.get_logger(__name__)


class Subscription(PubSub):
    """One connection and no other: the client's own way back would be taken by each task that uses it.

    Two would connect it at once and lose one of the two sockets; so it stays broken, and `Bells` makes a new
    one.
    """

    async def connect(self) -> None:
        connection: Any = self.connection
        if connection is not None and not connection.is_connected:
            raise redis.exceptions.ConnectionError("the subscription's connection is lost")
        await super().connect()  # type: ignore[no-untyped-call]

    async def _reconnect(self, conn: Any, error: BaseException | None = None, *_: Any, **__: Any) -> None:
        raise error or redis.exceptions.ConnectionError("the subscription's connection is lost")


@dataclass
class Bells:
    """Wakes the watchers of this process; one connection for all of them."""

    news: News
    _ringing: dict[int, set[asyncio.Event]] = field(default_factory=dict)
    _subscription: Any = None
    _using: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hot: set[int] = field(default_factory=set)
    _hot_came: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def bell(self, reader_id: int) -> AsyncIterator[asyncio.Event]:
        """Set when there may be something new for the reader, from the moment on in which that is heard."""
        bell = asyncio.Event()
        self._ringing.setdefault(reader_id, set()).add(bell)
        try:
            # Until then a watcher looks unasked; all bells ring when the connection is there.
            async with self._subscribed() as subscription:
                if subscription is not None:
                    await subscription.subscribe(keys.channel(reader_id))
            yield bell
        finally:
            self._ringing[reader_id].discard(bell)
            if not self._ringing[reader_id]:
                del self._ringing[reader_id]
                async with self._subscribed() as subscription:
                    if subscription is not None:
                        await subscription.unsubscribe(keys.channel(reader_id))

    @asynccontextmanager
    async def _subscribed(self) -> AsyncIterator[Any]:
        """The subscription, None while there is none; nobody ends it meanwhile, and its troubles pass."""
        with suppress(redis.exceptions.RedisError, OSError):
            async with self._using:
                yield self._subscription

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear, as long as the block lasts."""
        async with background(self._hear(), self._hear_hot()):
            yield

    async def _hear(self) -> None:
        while True:
            subscription = Subscription(self.news.readers.redis.client.connection_pool)
            try:
                known = set(self._ringing)
                await subscription.subscribe(keys.HOT_CHANNEL, *map(keys.channel, known))
                self._subscription = subscription
                if came := set(self._ringing) - known:
                    await subscription.subscribe(*map(keys.channel, came))
                # What came before this moment was not heard.
                self._ring_all()
                while True:
                    # Bounded, or a connection that died in silence would never be missed.
                    message = await subscription.get_message(timeout=UNASKED_S)
                    if message is not None:
                        self._heard(message)
            except Exception as error:
                # Whatever it is: watchers look unasked meanwhile, and it must be tried again.
                _log.warning("nobody is woken, trying again", error=repr(error))
            finally:
                self._subscription = None
                async with self._subscribed():
                    await subscription.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(RETRY_S)

    def _heard(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        if channel != keys.HOT_CHANNEL:
            # A confirmed subscription wakes too: what came before it was not heard.
            self._ring(keys.user_of(channel))
        elif message["type"] == "message":
            author = int(message["data"])
            if author == keys.EVERYBODY:
                self._ring_all()
            self._hot.add(author)
            self._hot_came.set()
        else:
            # The connection was made anew on the way.
            self._ring_all()

    async def _hear_hot(self) -> None:
        while True:
            await self._hot_came.wait()
            await asyncio.sleep(HOT_PAUSE_S)
            self._hot_came.clear()
            authors, self._hot = self._hot, set()
            try:
                current = (await self.news.epochs.standing()).current
                if current is not None:
                    watching = list(self._ringing)
                    for reader in await self.news.readers.following_any(current.name, watching, authors):
                        self._ring(reader)
            except Exception as error:
                _log.warning("who follows a hot author is not known, all are woken", error=repr(error))
                self._ring_all()

    def _ring(self, reader_id: int) -> None:
        for bell in self._ringing.get(reader_id, ()):
            bell.set()

    def _ring_all(self) -> None:
        for reader in self._ringing:
            self._ring(reader)


@dataclass(frozen=True)
class Watch:
    """What a watcher gets."""

    news: News
    bells: Bells
    clock: Callable[[], dt.datetime]

    async def stream(self, reader_id: int, after: bytes | None) -> AsyncGenerator[Entry | None, None]:
        """None once it listens, then what comes; each once. While Redis is away it waits; it never ends.

        With `after` first what is newer than that, and again what is older by PATIENCE at most.
        """
        async with self.bells.bell(reader_id) as bell:
            unseen = await self._beginning(reader_id, after)
            yield None
            if after is not None:
                bell.set()
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(UNASKED_S):
                        await bell.wait()
                bell.clear()
                entries: list[Entry] = []
                with suppress(Unavailable):
                    entries = await self._above(reader_id, unseen.horizon)
                for entry in unseen.of(entries, self._horizon()):
                    yield entry
                await asyncio.sleep(PAUSE_S)

    async def _beginning(self, reader_id: int, after: bytes | None) -> Unseen:
        """What counts as seen: without `after` everything that is there now."""
        horizon = self._horizon()
        if after is None:
            return Unseen(horizon, [each.position for each in await self._above(reader_id, horizon)])
        return Unseen(min(horizon, domain.earlier(after, PATIENCE)), [])

    async def _above(self, reader_id: int, horizon: bytes) -> list[Entry]:
        """Everything that is newer than a position."""
        found = await self.news.newest(reader_id, LOOK)
        while found and found[-1].position > horizon and len(found) < self.news.cap:
            more = await self.news.newest(reader_id, LOOK, found[-1].position)
            if not more:
                break
            found += more
        return [each for each in found if each.position > horizon]

    def _horizon(self) -> bytes:
        return domain.place(self.clock() - PATIENCE)
