"""A run as five small plots over time: coordinates and words, the template makes SVG of them (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mesh.canary.engine import HOLD_WEALTH
from mesh.canary.model import PodSample
from mesh.canary.views import words
from mesh.canary.views.parts import NOTHING, Point, plus
from mesh.canary.views.story import Story

# As wide as a phone; on desks several stand side by side.
WIDTH, HEIGHT = 400.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 392.0, 10.0, 176.0
TICKS_S = (5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400)
MOST_TICKS = 5
# More than a plot can show apart.
MOST_POINTS, MOST_BARS = 300, 40
SHARES = (5.0, 10.0, 25.0, 50.0, 100.0)
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
# The evidence's axis, in powers of ten; so many are named.
LEAST_WEALTH, MOST_WEALTH, MOST_DECADES = -2, 3, 8


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """`kind` is its class in the style sheet, `name` what a legend or its end says."""

    kind: str
    path: str
    name: str = ""


@dataclass(frozen=True)
class Limit:
    """A line from side to side."""

    kind: str
    at: float
    name: str


@dataclass(frozen=True)
class Plot:
    """`said` is what it shows, for those who do not see it."""

    title: str
    said: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    lines: tuple[Line, ...]
    limits: tuple[Limit, ...] = ()
    area: str = ""


Scale = Callable[[float], float]


def plots(told: Story) -> list[Plot]:
    """Share, evidence, excess, error rates and requests; those alone that have anything to show."""
    found = [_shares(told)] if told.shares else []
    decided = [point for point in told.points if point.decided]
    if decided:
        found += [_evidence(told, decided), _excess(told, decided)]
    if told.points:
        found += [_errors(told), _requests(told)]
    return found


def _shares(told: Story) -> Plot:
    x, across = _time(told)
    most = _least(SHARES, max(step.percent for step in told.shares))
    y = _linear(most)
    corners = [(x(told.began.at), y(0.0))]
    for step in told.shares:
        corners += [(x(step.since), corners[-1][1]), (x(step.since), y(step.percent))]
    corners.append((RIGHT, corners[-1][1]))
    said = f"{told.canary} gets {told.percent} % now, {max(step.percent for step in told.shares)} % at most."
    up = tuple(Tick(y(value), f"{value:g} %") for value in (0, most / 2, most))
    return Plot(
        "Share of the requests", said, across, up, (Line("canary", _path(corners), told.canary),), (), ""
    )


def _evidence(told: Story, points: Sequence[Point]) -> Plot:
    x, across = _time(told)
    decades = _decades(told, points)
    y = _logarithmic(10.0 ** decades[0], 10.0 ** decades[-1])
    highest = [max(group, key=lambda point: point.wealth) for group in _groups(points, MOST_POINTS)]
    path = _path([(x(point.at), y(point.wealth)) for point in highest])
    limits = (
        Limit("poor", y(HOLD_WEALTH), f"{HOLD_WEALTH:g}: held"),
        Limit("bad", y(told.rollback_at), f"{told.rollback_at:g}: rolled back"),
    )
    said = f"{words.wealth(points[-1].wealth)} at last, {words.wealth(told.peak)} at most."
    every = math.ceil(len(decades) / MOST_DECADES)
    up = tuple(Tick(y(10.0**decade), f"{10.0**decade:g}") for decade in decades if decade % every == 0)
    return Plot(f"Evidence against {told.canary}", said, across, up, (Line("canary", path),), limits)


def _decades(told: Story, points: Sequence[Point]) -> range:
    """From a hundredth to ten times above the rollback, and further where the evidence goes."""
    seen = [math.log10(point.wealth) for point in points if 0 < point.wealth < math.inf]
    least = min([LEAST_WEALTH, *(math.floor(exponent) for exponent in seen)])
    most = max([MOST_WEALTH, *(math.ceil(exponent) for exponent in seen)])
    return range(least, max(most, math.ceil(math.log10(told.rollback_at)) + 1) + 1)


def _excess(told: Story, points: Sequence[Point]) -> Plot:
    title, (x, across) = "Excess errors, bounds", _time(told)
    bounded = [point for point in points if point.excess[0] > 0 or point.excess[1] < words.UNBOUNDED]
    if not bounded:
        return Plot(title, f"How far {told.canary} lies above is not known yet.", across, (), ())
    shown = [group[-1] for group in _groups(bounded, MOST_POINTS)]
    known = [point.excess[1] for point in shown if point.excess[1] < words.UNBOUNDED]
    lows = [point.excess[0] for point in shown]
    margin = shown[-1].margin
    most = _least(RATES, 1.2 * max([margin, *lows, *known[-len(known) // 2 :]]))
    y = _linear(most)
    upper = [(x(point.at), y(min(point.excess[1], most))) for point in shown]
    lower = [(x(point.at), y(min(point.excess[0], most))) for point in reversed(shown)]
    lines = (Line("canary", _path(upper), "bounds"), Line("canary", _path(lower)))
    limits = (Limit("good", y(margin), f"{words.percent(margin)}: promoted below"),)
    up = tuple(Tick(y(value), words.percent(value)) for value in (0, most / 2, most))
    said = f"How far the error rate of {told.canary} lies above: {words.excess(points[-1].excess)}."
    return Plot(title, said, across, up, lines, limits, _path([*upper, *lower]) + "Z")


def _errors(told: Story) -> Plot:
    x, across = _time(told)
    groups = [_summed(group) for group in _groups(told.points, MOST_BARS)]
    rates = [arm.errors / arm.requests for _, arms in groups for arm in arms if arm.requests]
    most = _least(RATES, max(rates, default=0.0))
    y = _linear(most)
    lines = []
    for kind, name, arm in (("stable", told.stable, 0), ("canary", told.canary, 1)):
        seen = [
            (x(at), y(arms[arm].errors / arms[arm].requests)) for at, arms in groups if arms[arm].requests
        ]
        lines.append(Line(kind, _path(seen), name))
    stable, canary = told.totals
    said = f"In all: {told.stable} {words.rate(stable)}, {told.canary} {words.rate(canary)}."
    up = tuple(Tick(y(value), words.percent(value)) for value in (0, most / 2, most))
    return Plot("Errors", said, across, up, tuple(lines))


def _requests(told: Story) -> Plot:
    x, across = _time(told)
    before, rates = told.points[0].at - told.spec.analysis.scrape_interval_s, []
    for group in _groups(told.points, MOST_BARS):
        at, arms = _summed(group)
        span = max(at - before, 1e-3)
        rates.append((at, arms[0].requests / span, arms[1].requests / span))
        before = at
    most = _round(max(max(stable, canary) for _, stable, canary in rates))
    y = _linear(most)
    lines = (
        Line("stable", _path([(x(at), y(stable)) for at, stable, _ in rates]), told.stable),
        Line("canary", _path([(x(at), y(canary)) for at, _, canary in rates]), told.canary),
    )
    stable, canary = (words.count(arm.requests) for arm in told.totals)
    up = tuple(Tick(y(value), f"{value:g}") for value in (0, most / 2, most))
    said = f"In all: {told.stable} {stable}, {told.canary} {canary}."
    return Plot("Requests a second", said, across, up, lines)


def _time(told: Story) -> tuple[Scale, tuple[Tick, ...]]:
    """Where a moment is, and the moments that are named, since the beginning."""
    begin, span = told.began.at, max(told.last_at - told.began.at, 1.0)

    def x(at: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(max((at - begin) / span, 0.0), 1.0)

    every = next((step for step in TICKS_S if span / step < MOST_TICKS), span / 2)
    count = min(MOST_TICKS, int(span / every) + 1)
    ticks = tuple(Tick(x(begin + n * every), words.took(n * every) if n else "0") for n in range(count))
    return x, ticks


def _linear(most: float) -> Scale:
    return lambda value: BOTTOM - (BOTTOM - TOP) * min(max(value / most, 0.0), 1.0)


def _logarithmic(least: float, most: float) -> Scale:
    span = math.log(most / least)

    def y(value: float) -> float:
        inside = min(max(value, least), most)
        return BOTTOM - (BOTTOM - TOP) * math.log(inside / least) / span

    return y


def _least(values: Sequence[float], needed: float) -> float:
    """The first that is enough, or the last."""
    return next((value for value in values if value >= needed), values[-1])


def _round(needed: float) -> float:
    """1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(needed, 1.0)))
    return _least((power, 2 * power, 5 * power, 10 * power), needed)


def _groups(points: Sequence[Point], most: int) -> Iterable[Sequence[Point]]:
    size = max(1, math.ceil(len(points) / most))
    return [points[start : start + size] for start in range(0, len(points), size)]


def _summed(points: Sequence[Point]) -> tuple[float, tuple[PodSample, PodSample]]:
    stable = canary = NOTHING
    for point in points:
        stable, canary = plus(stable, point.stable), plus(canary, point.canary)
    return points[-1].at, (stable, canary)


def _path(corners: Iterable[tuple[float, float]]) -> str:
    """One point alone is drawn as a dot: a line of no length with round ends."""
    made = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
    return f"M{made}{'' if 'L' in made else 'h0'}" if made else ""
