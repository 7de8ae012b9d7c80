"""The loop: lease what is due, check it, note what was found."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg
import structlog

from services.kit.background import background, end
from services.kit.errors import Problem
from services.link_checker.consuming import NOWHERE
from services.link_checker.domain import OF_THE_NETWORK, Finding, Line, Outcome, Schedule, after
from services.link_checker.fetching.visits import VISIT_S, Visits
from services.link_checker.metrics import Metrics
from services.link_checker.store import CheckStore, Work

# Longer than a visit takes at most; a replica that died is made up for after this.
LEASE = dt.timedelta(seconds=VISIT_S + 45)
# How soon a saved link is seen at the latest, while nothing else is due.
POLL_S = 0.5
RETRY_S = 2.0
MEASURE_EVERY_S = 5.0
CLEAN_EVERY_S = 60.0
COUNT_EVERY_S = 30.0  # reads every address: a quarter of a second for a million
# Longer than a dead letter is kept, which may be replayed.
GONE_KEPT = dt.timedelta(days=31)
CLEAN_ROWS = 1_000

_log = structlog.get_logger(__name__)


@dataclass
class Checking:
    """Runs up to `places` checks at a time; several replicas share the work."""

    store: CheckStore
    visits: Visits
    schedule: Schedule
    metrics: Metrics
    clock: Callable[[], dt.datetime]
    places: int
    pause: dt.timedelta = dt.timedelta(seconds=1)
    line: Line = field(default_factory=Line)
    chance: Callable[[], float] = random.random
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def round(self, most: int) -> list[Work]:
        """Lease and check what is due, `most` at a time; returns what it was."""
        works = await self.store.lease(self.clock(), most, LEASE)
        await asyncio.gather(*(self.check(work) for work in works))
        return works

    async def check(self, work: Work) -> None:
        """One check under its lease, whatever comes of it noted in one transaction."""
        began = time.perf_counter()
        with self.metrics.running.track_inprogress():
            outcome = await self._outcome(work)
        self.metrics.checks[outcome.finding].inc()
        self.metrics.duration.observe(time.perf_counter() - began)
        now = self.clock()
        state = after(work.state, outcome, self.schedule, now, self.chance())
        free_at = now if work.host == NOWHERE else now + self._pause(outcome)
        if not await self.store.finish(work, state, free_at):
            self.metrics.lost.inc()
        _log.debug("checked", url_id=work.url_id, finding=outcome.finding.value, detail=outcome.detail)

    def _pause(self, outcome: Outcome) -> dt.timedelta:
        """How long nobody comes back to the host."""
        busy_s = (outcome.retry_after_s or 0.0) if outcome.finding is Finding.BUSY else 0.0
        return max(self.pause, dt.timedelta(seconds=max(outcome.pause_s, busy_s)))

    async def _outcome(self, work: Work) -> Outcome:
        # The page of a new link is read as soon as there is one.
        new = work.state.title is None and work.state.health != "alive"
        try:
            outcome = await self.visits.check(work.url, with_page=new)
        except Exception:
            # A fault of ours, by what a stranger's server sent: it must not come again and again.
            _log.exception("check failed", url_id=work.url_id)
            return Outcome(finding=Finding.UNCLEAR)
        if work.host != NOWHERE:
            self.line.note(work.host, outcome.finding)
        if outcome.finding in OF_THE_NETWORK and self.line.seems_broken():
            return Outcome(finding=Finding.UNCLEAR, detail=f"our own line, perhaps: {outcome.detail}")
        return outcome

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Check in the background as long as the block lasts; what is in work then is given back."""
        async with background(self._schedule(), self._measure(), self._count(), self._clean()) as self._tasks:
            yield

    async def ping(self) -> None:
        """Raises RuntimeError when the loop has stopped, by a fault of ours."""
        if any(task.done() for task in self._tasks):
            raise RuntimeError("checking has stopped")

    async def _schedule(self) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                pause = POLL_S
                try:
                    free = max(0, self.places - len(running))
                    works = await self.store.lease(self.clock(), free, LEASE) if free else []
                except (Problem, asyncpg.PostgresError, OSError) as error:
                    self.metrics.failures.inc()
                    _log.warning("nothing leased, trying again", error=repr(error))
                    works, pause = [], RETRY_S
                running |= {asyncio.create_task(self._attempt(work)) for work in works}
                if works and len(running) < self.places:
                    continue
                if len(running) < self.places:
                    await asyncio.sleep(pause)
                else:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running = {task for task in running if not task.done()}
        finally:
            await end(*running)

    async def _attempt(self, work: Work) -> None:
        """A check whose failure is ours: it stays leased, so that the next one comes a while later."""
        try:
            await self.check(work)
        except asyncio.CancelledError:
            with suppress(Problem, asyncpg.PostgresError, OSError):
                await self.store.release(work, self.clock())
            raise
        except (Problem, asyncpg.PostgresError, OSError) as error:
            self.metrics.failures.inc()
            _log.warning("outcome not noted", url_id=work.url_id, error=repr(error))
        except Exception:
            # The boundary of one check: whatever it was, the others go on.
            self.metrics.failures.inc()
            _log.exception("outcome not noted", url_id=work.url_id)

    async def _measure(self) -> None:
        while True:
            with suppress(Problem, asyncpg.PostgresError, OSError):
                hosts, age_s = await self.store.queue(self.clock())
                self.metrics.queue_hosts.set(hosts)
                self.metrics.queue_age.set(age_s)
            await asyncio.sleep(MEASURE_EVERY_S)

    async def _count(self) -> None:
        while True:
            with suppress(Problem, asyncpg.PostgresError, OSError):
                found = await self.store.health()
                for state, gauge in self.metrics.health.items():
                    gauge.set(found.get(state, 0))
            await asyncio.sleep(COUNT_EVERY_S)

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_EVERY_S)
            with suppress(Problem, asyncpg.PostgresError, OSError):
                while await self.store.forget(self.clock() - GONE_KEPT, CLEAN_ROWS) >= CLEAN_ROWS:
                    pass
