"""The capacity curve: offered load in steps up to twice saturation, against what is answered well in time."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import msgspec

from delinkcious.load import driving, knee, live, report, running
from delinkcious.load.driving import OpenLoop, Plan
from delinkcious.load.knee import Point, Verdict
from delinkcious.load.report import Machine
from delinkcious.load.resources import Usage
from loadtest.mix import Mix
from loadtest.open_loop_main import Stretch
from loadtest.tally import Row

METHOD = (
    "Open loop with Poisson arrivals: a request's latency counts from when it was due, and all requests of a "
    "step count, however late they are answered. Each step offers more by a factor, up to twice the most "
    "that was answered well in time; then come steps between the last that kept up and the first that did "
    "not. Knee: the step highest above the straight line from the first step to the most load, both axes "
    "scaled to 0 ... 1 (Kneedle)."
)


@dataclass(frozen=True)
class Steps:
    """From `first` requests a second by `factor`, `step_s` each; answers count within `within_s`."""

    first: float
    factor: float
    step_s: float
    within_s: float
    most_rate: float
    refined: int

    @property
    def expected_s(self) -> float:
        """How long it takes when saturation is at thirty times the first step: for the progress only."""
        return self.step_s * (12 + self.refined)


class Capacity(msgspec.Struct, frozen=True, tag="capacity", tag_field="kind"):
    """A whole curve; `script` makes one like it, `verdict` is None when it was interrupted before a step."""

    script: str
    began_at: dt.datetime
    interrupted: bool
    target: str
    mix: Mix
    seed: int
    step_s: float
    within_s: float
    sampling: str
    commit: str
    machine: Machine
    method: str
    points: list[Point]
    verdict: Verdict | None
    processes: list[Usage]
    version: int = report.VERSION


async def measure(plan: Plan, steps: Steps, script: str) -> Capacity:
    """Send the steps and judge the curve. Raises Failed when it cannot begin."""
    machine = report.machine()
    began = dt.datetime.now(dt.UTC)
    points: list[Point] = []
    watch = running.Watch(plan)
    with running.until_interrupted() as stopped, live.screen(steps.expected_s, "signing in") as screen:
        async with driving.open_loop(plan, stopped) as loop:
            await watch.begin()
            async for point in _points(loop, steps, stopped):
                points.append(point)
                elapsed = len(points) * steps.step_s
                screen.show(elapsed, f"offered {point.offered:.0f}/s", live.steps(points))
            usages = await watch.end()
    return Capacity(
        script=script,
        began_at=began,
        interrupted=stopped.is_set(),
        target=plan.target.url,
        mix=plan.mix,
        seed=plan.seed,
        step_s=steps.step_s,
        within_s=steps.within_s,
        sampling=running.sampling(plan, 0),
        commit=running.commit_here(),
        machine=machine,
        method=METHOD,
        points=sorted(points, key=lambda point: point.offered),
        verdict=knee.judge(points) if points else None,
        processes=usages,
    )


async def _points(loop: OpenLoop, steps: Steps, stopped: asyncio.Event) -> AsyncIterator[Point]:
    # One step whose figures nobody keeps: connections are opened, caches filled, code compiled.
    await _step(loop, steps, steps.first, stopped)
    points: list[Point] = []
    # What is found between may be more than was known before: then twice of it is more, too.
    for rates in (_rising(points, steps), _between(points, steps), _rising(points, steps)):
        for rate in rates:
            if (point := await _step(loop, steps, rate, stopped)) is None:
                return
            points.append(point)
            yield point


def _rising(points: list[Point], steps: Steps) -> Iterator[float]:
    """What to offer next, again and again, by what the points are then."""
    if not points:
        yield steps.first
    while (rate := knee.next_rate(points, steps.factor, steps.most_rate)) is not None:
        yield rate


def _between(points: list[Point], steps: Steps) -> Iterator[float]:
    yield from knee.refined(points, steps.refined)


async def _step(loop: OpenLoop, steps: Steps, rate: float, stopped: asyncio.Event) -> Point | None:
    """One step with all its answers; None when it was interrupted."""
    total, late_s, done = Row({}, {}), 0.0, False
    async for line in loop.send(Stretch(rate, steps.step_s), stopped):
        for _, _, row in line.rows:
            total.add(row)
        late_s, done = max(late_s, line.late_s), line.event == "done"
    if not done:
        return None
    p50, p99 = total.quantile_s(0.5), total.quantile_s(0.99)
    return Point(
        asked=round(rate, 2),
        offered=round(total.count / steps.step_s, 2),
        goodput=round(total.good_within(steps.within_s) / steps.step_s, 2),
        p50_ms=None if p50 is None else round(p50 * 1e3, 2),
        p99_ms=None if p99 is None else round(p99 * 1e3, 2),
        failed=total.count - total.good,
        errors=total.errors,
        late_ms=round(late_s * 1e3, 1),
    )
