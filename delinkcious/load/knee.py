"""The knee of a capacity curve, and whether throughput collapses past it (pure).

The knee is found as by Kneedle (Satopää, Albrecht, Irwin, Raghavan: Finding a "Kneedle" in a Haystack, 2011):
both axes are scaled to 0 ... 1, and the knee is where goodput is highest above the straight line from the
first step to the most load and the most goodput. A service that keeps up stays on that line; where it does
not bend by BEND at least, or still keeps up with the most load, there is no knee yet.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

# A straight line with the noise of a few percent bends by less.
BEND = 0.1
# Past the knee goodput may fall to this share of its most before it counts as a collapse.
HELD = 0.8
# A sender that is later than this measures itself.
SENDER_LATE_MS = 250.0
# Offered load whose share is answered well and in time is kept up with.
KEPT_UP = 0.95


class Point(msgspec.Struct, frozen=True):
    """One step: requests a second asked for, really offered (by chance), and answered well in time."""

    asked: float
    offered: float
    goodput: float
    p50_ms: float | None
    p99_ms: float | None
    failed: int
    errors: dict[str, int]
    late_ms: float = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """What a curve says.

    `knee` is None when none was reached. `flawless` is the most load of which nothing failed, None when
    something always did. `least` is the step past the most goodput with the least of it, and `held` its share
    of the most; without such a step all of it. Steps of a sender that was late itself are not judged.
    """

    knee: Point | None
    most: Point
    flawless: Point | None
    least: Point | None
    held: float
    collapsed: bool


def judge(points: Sequence[Point]) -> Verdict:
    """What a curve says; at least one point, in any order."""
    ordered = sorted(points, key=lambda point: point.offered)
    most = max(ordered, key=lambda point: point.goodput)
    flawless = [point for point in ordered if not point.failed]
    past = [p for p in ordered if p.offered > most.offered and p.late_ms <= SENDER_LATE_MS]
    least = min(past, key=lambda point: point.goodput, default=None)
    held = 1.0 if least is None else least.goodput / most.goodput if most.goodput else 0.0
    best = flawless[-1] if flawless else None
    return Verdict(knee(ordered), most, best, least, round(held, 3), held < HELD)


def told(verdict: Verdict) -> list[str]:
    """What a curve says, in sentences."""
    bend, flawless, least = verdict.knee, verdict.flawless, verdict.least
    found = [
        "No knee was reached."
        if bend is None
        else f"The knee: {bend.offered:.0f} a second offered, {bend.goodput:.0f} answered well in time."
    ]
    if flawless is not None:
        found.append(f"Up to {flawless.offered:.0f} a second nothing failed.")
    if least is not None:
        after = "collapses" if verdict.collapsed else "does not collapse"
        found.append(
            f"Past the most throughput {after}: at worst {verdict.held:.0%} of it are left"
            f" ({least.offered:.0f} a second offered)."
        )
    return found


def knee(ordered: Sequence[Point]) -> Point | None:
    """The point from where more load brings less than its share; None while every step still keeps up."""
    if len(ordered) < 3 or ordered[-1].goodput >= KEPT_UP * ordered[-1].offered:
        return None
    first, last = ordered[0], ordered[-1]
    most = max(point.goodput for point in ordered)
    width, height = last.offered - first.offered, most - first.goodput
    if width <= 0 or height <= 0:
        return first  # the very first step was too much
    bends = [(p.goodput - first.goodput) / height - (p.offered - first.offered) / width for p in ordered]
    highest = max(range(len(ordered)), key=lambda number: bends[number])
    return ordered[highest] if bends[highest] >= BEND else None


def next_rate(points: Sequence[Point], factor: float, most_rate: float) -> float | None:
    """What to offer next: more by `factor`, up to twice the most goodput; None when that was offered."""
    last = max(points, key=lambda point: point.asked)
    highest, saturated = last.asked, max(point.goodput for point in points)
    kept_up = last.goodput >= KEPT_UP * last.offered
    if highest >= most_rate or (not kept_up and highest >= 2 * saturated):
        return None
    wanted = highest * factor
    return min(most_rate, wanted if kept_up else max(min(wanted, 2 * saturated), highest * 1.05))


def refined(points: Sequence[Point], count: int) -> list[float]:
    """Rates between the last step that kept up and the first that did not, where the knee is."""
    below = [point.asked for point in points if point.goodput >= KEPT_UP * point.offered]
    above = [point.asked for point in points if point.goodput < KEPT_UP * point.offered]
    if not below or not above or max(below) >= min(above):
        return []
    low, high = max(below), min(above)
    return [low + (high - low) * step / (count + 1) for step in range(1, count + 1)]
