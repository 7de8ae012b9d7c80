"""One run: sent, counted, watched, and made a report of, also when it is interrupted."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from delinkcious import local
from delinkcious.asking import INTERRUPTED, UNREACHABLE, Failed
from delinkcious.load import driving, live, report, resources
from delinkcious.load.driving import Closed, Plan
from delinkcious.load.report import Run
from delinkcious.load.resources import Resources
from delinkcious.load.slow import SlowRequests
from loadtest.open_loop_main import Stretch
from loadtest.tally import Line, Tally

LOOK_EVERY_S = 2.0
# Memory is dearer to look at, and changes slowly.
MEMORY_EVERY = 3


@dataclass(frozen=True)
class Opened:
    """The open loop: `rate` requests a second at most, for so long."""

    rate: float
    seconds: float
    shape: str


Load = Closed | Opened


@contextmanager
def until_interrupted() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets the first time; the second time they end the program."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class Watch:
    """Everything that goes on beside the sending, from its beginning to its end."""

    def __init__(self, plan: Plan) -> None:
        self.slow = SlowRequests(plan.target)
        self._plan = plan
        self._resources: Resources | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """When all are signed in: what came before is not the load's."""
        senders = [child.pid for child in psutil.Process().children()]
        self._resources = await asyncio.to_thread(resources.watch, self._plan.target.state, senders)
        await asyncio.to_thread(self._resources.begin)
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self.slow.follow())]

    async def _look(self) -> None:
        for number in itertools.count():
            if self._resources is not None:
                await asyncio.to_thread(self._resources.look, memory=number % MEMORY_EVERY == 0)
            await asyncio.sleep(LOOK_EVERY_S)

    async def end(self) -> list[resources.Usage]:
        """A last look, while the sender still is there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._resources is None:
            return []
        await asyncio.to_thread(self._resources.look)
        return self._resources.usages()


@dataclass
class Counted:
    """What a run has counted; `began_at` is 0 before everybody is signed in."""

    tally: Tally
    began_at: float = 0.0
    ended_at: float = 0.0
    usages: Sequence[resources.Usage] = ()

    @property
    def seconds(self) -> float:
        return max(self.ended_at - self.began_at, 1e-3)


async def run(plan: Plan, load: Load, command: str) -> Run:
    """Send the load and tell what came of it. Raises Failed when it cannot begin."""
    machine = report.machine()
    with until_interrupted() as stopped:
        watch = Watch(plan)
        counted = await _count(plan, load, watch, stopped)
        if not counted.began_at:
            if stopped.is_set():
                raise Failed("interrupted before the load began", INTERRUPTED)
            raise Failed("the load ended before it began", UNREACHABLE)
        slow = await watch.slow.finish()
    tally, seconds = counted.tally, counted.seconds
    return Run(
        command=command,
        began_at=dt.datetime.fromtimestamp(counted.began_at, dt.UTC),
        seconds=round(seconds, 3),
        interrupted=stopped.is_set(),
        target=plan.target.url,
        loop=_loop(load),
        shape=load.shape,
        asked=load.users if isinstance(load, Closed) else load.rate,
        mix=plan.mix,
        seed=plan.seed,
        traced_share=plan.traced,
        sampling=sampling(plan, tally.total().traced),
        late_ms=round(tally.late_s * 1e3, 1),
        commit=commit_here(),
        machine=machine,
        block_s=tally.block_s,
        total=report.figures(tally, seconds),
        journeys={each: report.figures(tally, seconds, journey=each) for each in tally.journeys()},
        requests={each: report.figures(tally, seconds, name=each) for each in tally.names()},
        processes=list(counted.usages),
        slowest=slow,
    )


async def _count(plan: Plan, load: Load, watch: Watch, stopped: asyncio.Event) -> Counted:
    counted = Counted(Tally(0.0, report.block_s(load.seconds)))
    expected = load.processes if isinstance(load, Closed) else 1
    ready, done = 0, 0
    with live.screen(load.seconds, "signing in") as screen:
        async for line in _lines(plan, load, stopped):
            ready, done = ready + (line.event == "ready"), done + (line.event == "done")
            if line.event == "ready":
                if ready == expected:
                    await watch.begin()
                    # Locust begins by itself; the open loop has waited for this.
                    begun = line.at if isinstance(load, Closed) else time.time()
                    counted.tally.began_at = counted.began_at = begun
                continue
            counted.tally.add(line)
            watch.slow.add(line.slowest)
            counted.ended_at = max(counted.ended_at, line.at)
            screen.show(line.at - counted.began_at, "load", live.so_far(counted.tally, line.users))
        counted.usages = await watch.end()
    return counted


def _lines(plan: Plan, load: Load, stopped: asyncio.Event) -> AsyncIterator[Line]:
    return driving.closed(plan, load, stopped) if isinstance(load, Closed) else _open(plan, load, stopped)


async def _open(plan: Plan, load: Opened, stopped: asyncio.Event) -> AsyncIterator[Line]:
    async with driving.open_loop(plan, stopped) as loop:
        yield Line(time.time(), [], [], event="ready")
        async for line in loop.send(Stretch(load.rate, load.seconds, load.shape), stopped):
            yield line


def _loop(load: Load) -> Literal["closed", "open"]:
    return "closed" if isinstance(load, Closed) else "open"


def sampling(plan: Plan, traced: int) -> str:
    """What was traced, and what that does to the figures."""
    if not plan.traced:
        return "No trace was forced: the installation's own share of samples applied."
    return (
        f"{traced} requests ({plan.traced:.0%}) were forced to be traced, the others asked not to be. "
        "A traced request costs every process on its way more than others do: compare only runs with the "
        "same share."
    )


def commit_here() -> str:
    """Of the checkout that the command was given in."""
    with suppress(LookupError):
        return report.commit(Path(local.project()))
    return ""
