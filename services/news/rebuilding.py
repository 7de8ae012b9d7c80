"""Everything anew from the services that own it, beside what is in force, and then in its place.

While an epoch is built every event reaches it as well as the one in force (see `Changes`). What an event told
before that, its owner told the builder; what both tell, versions put in order. So nothing is missed whenever
the switch comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from services.kit.background import background, end
from services.kit.errors import Problem, Unavailable
from services.news import domain
from services.news.changes import Changes
from services.news.domain import LinkState
from services.news.epoch_store import LEASE_MS, Epoch, EpochStore
from services.news.reading import News

LOOK_EVERY_S = 1.0
RETRY_AT_MOST_S = 15.0
FILLED_AT_ONCE = 16
BUILD_BUCKETS_S = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)

_log = structlog.get_logger(__name__)


class LeaseLost(Unavailable):
    """Another process builds."""


@dataclass
class Built:
    """What was read and made."""

    edges: int = 0
    links: int = 0
    authors: int = 0
    readers: int = 0


@dataclass(frozen=True)
class Builder:
    """Builds one epoch; raises the kit's Problems and leaves what is in force as it is."""

    changes: Changes
    news: News
    epochs: EpochStore

    async def rebuild(self) -> Built:
        """Build everything anew and put it in force. Raises LeaseLost while another process does."""
        token = secrets.token_hex(8)
        name = await self.epochs.begin(token)
        if name is None:
            raise LeaseLost("the timelines are being built by another process")
        try:
            # Before anything is read: a Redis that is lost from now on is noticed.
            run_id = await self.epochs.run_id()
            building = asyncio.create_task(self._build(Epoch(name, time.time(), current=False)))
            await self._while_leased(token, building)
            built = building.result()
            if not await self.epochs.switch(token, name, run_id):
                raise LeaseLost("the timelines were lost or built by another process meanwhile")
            await self.changes.authors.announce()
        except BaseException:
            with contextlib.suppress(Problem):
                await self.epochs.abandon(token)
            raise
        return built

    async def _while_leased(self, token: str, building: asyncio.Task[Built]) -> None:
        """Wait for the work, and keep the lease as long as it lasts."""
        try:
            while not (await asyncio.wait([building], timeout=LEASE_MS / 1000 / 5))[0]:
                if not await self.epochs.extend(token):
                    raise LeaseLost("the lease was lost")
        finally:
            await end(building)

    async def _build(self, epoch: Epoch) -> Built:
        built = Built()
        async for edges in self.changes.sources.edges():
            await self.changes.connect(epoch, edges)
            built.edges += len(edges)
        async for owner, links, floor in self._authors(built):
            # Where an event was before us, what we read may be older than what is known.
            put = await self.changes.authors.put(epoch.name, owner, links, generation="0", floor=floor)
            if put.state == "changed" or put.short:
                await self.changes.reload(epoch, owner)
            built.authors += 1
        # After the links: who comes later gets them when following.
        async for readers in self.news.readers.every_reader(epoch.name):
            for begin in range(0, len(readers), FILLED_AT_ONCE):
                some_readers = readers[begin : begin + FILLED_AT_ONCE]
                await asyncio.gather(*(self.news.fill(epoch.name, reader) for reader in some_readers))
            built.readers += len(readers)
        return built

    async def _authors(self, built: Built) -> AsyncIterator[tuple[int, list[LinkState], bytes]]:
        """The newest public links of every author, and the position from which on older ones exist."""
        most = domain.bound(self.news.cap)
        owner, floor = 0, b""
        newest: list[LinkState] = []
        async for links in self.changes.sources.links():
            built.links += len(links)
            for link in links:
                if link.owner_id != owner:
                    if newest:
                        yield (owner, *_cut(newest, most, floor))
                    owner, newest, floor = link.owner_id, [], b""
                if not link.private:
                    newest.append(link)
                if len(newest) >= 2 * most:
                    newest, floor = _cut(newest, most, floor)
        if newest:
            yield (owner, *_cut(newest, most, floor))


def _cut(links: list[LinkState], most: int, floor: bytes) -> tuple[list[LinkState], bytes]:
    """The newest ones, and the position of the newest that was left out."""
    links = sorted(links, key=domain.position, reverse=True)
    if len(links) > most:
        floor = max(floor, domain.position(links[most]))
    return links[:most], floor


@dataclass
class Keeper:
    """Looks whether the timelines are there and whole, and builds them when they are not."""

    builder: Builder
    registry: CollectorRegistry
    look_every_s: float = LOOK_EVERY_S
    _failures: Counter = field(init=False)
    _durations: Histogram = field(init=False)

    def __post_init__(self) -> None:
        self._failures = Counter(
            "news_rebuild_failures", "Times that building the timelines anew failed.", registry=self.registry
        )
        self._durations = Histogram(
            "news_rebuild_duration_seconds",
            "Time that building all timelines anew took.",
            buckets=BUILD_BUCKETS_S,
            registry=self.registry,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look now and then as long as the block lasts."""
        async with background(self._look()):
            yield

    async def _look(self) -> None:
        failures = 0
        while True:
            try:
                await self.builder.epochs.abandon()
                await self.builder.epochs.sweep()
                why = await self.reason()
                if why:
                    await self._build(why)
                failures = 0
            except LeaseLost:
                pass
            except Exception as error:
                # Whatever it is: it must go on looking, or lost timelines would stay lost.
                failures += 1
                self._failures.inc()
                known = isinstance(error, Problem)
                _log.warning("timelines not looked after", error=repr(error), exc_info=not known)
            # What was half built takes room until it is swept.
            await asyncio.sleep(min(self.look_every_s * 2**failures, RETRY_AT_MOST_S))

    async def reason(self) -> str:
        """Why everything has to be built anew; empty when it need not."""
        epochs = self.builder.epochs
        standing = await epochs.standing()
        if standing.current is None:
            return "there are none"
        if standing.run_id != await epochs.run_id():
            # It may have lost its last second, or a replica that lacks some took its place.
            return "Redis was started again"
        return ""

    async def _build(self, why: str) -> None:
        begun = time.perf_counter()
        built = await self.builder.rebuild()
        took = time.perf_counter() - begun
        self._durations.observe(took)
        _log.info("timelines built anew", why=why, seconds=round(took, 3), **vars(built))
