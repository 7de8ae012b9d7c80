"""Two runs side by side: ratios, and whether a difference is more than the runs' own noise (pure).

Each run is cut into blocks of some seconds. The mean of a figure's logarithm over the blocks of each run
gives the ratio, the blocks' spread its uncertainty (Welch's t-test on logarithms). The first block, in which
connections and caches begin, is left out. Blocks of one run are not independent of each other, nor is one run
all runs of a build: repeat a pair that matters, in the other order.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

from delinkcious.load.report import Block, Figures, Run

# Of a hundred comparisons of equals, one is called different.
CONFIDENCE = 0.99
FEWEST_BLOCKS = 4
# Which way is worse: a lower rate, a higher latency.
FIGURES = {"rate": -1, "p50_ms": 1, "p90_ms": 1, "p99_ms": 1}


class Difference(msgspec.Struct, frozen=True):
    """One figure of both runs. `low` and `high` bound the ratio; None where there is too little to tell."""

    of: str
    figure: str
    before: float
    after: float
    ratio: float
    low: float | None
    high: float | None
    beyond_noise: bool
    worse: bool


class Comparison(msgspec.Struct, frozen=True):
    """`doubts`: in what else the runs differ, so that their figures are hardly one thing's."""

    before: str
    after: str
    differences: list[Difference]
    doubts: list[str]

    @property
    def worse(self) -> list[Difference]:
        return [each for each in self.differences if each.beyond_noise and each.worse]


def compare(before: Run, after: Run) -> Comparison:
    """What both have, the whole first."""
    found = _differences("all", before.total, after.total)
    for name in before.requests:
        if name in after.requests:
            found += _differences(name, before.requests[name], after.requests[name])
    found += _failures(before, after)
    return Comparison(
        _titled(before), _titled(after), found, [doubt for doubt in _doubts(before, after) if doubt]
    )


def _titled(run: Run) -> str:
    return f"{run.began_at:%Y-%m-%d %H:%M}, {run.commit or 'unknown commit'}"


def _differences(of: str, before: Figures, after: Figures) -> list[Difference]:
    found = []
    for figure, bad in FIGURES.items():
        # The rate of one kind of request is only the mix's share of the whole.
        if figure == "rate" and of != "all":
            continue
        old, new = getattr(before, figure), getattr(after, figure)
        if not old or not new:
            continue
        bounds = interval(_logs(before.blocks, figure), _logs(after.blocks, figure))
        ratio, low, high = bounds or (new / old, None, None)
        beyond = low is not None and high is not None and not low <= 1.0 <= high
        found.append(
            Difference(of, figure, old, new, round(ratio, 3), low, high, beyond, (ratio - 1) * bad > 0)
        )
    return found


def _logs(blocks: Sequence[Block], figure: str) -> list[float]:
    values = [getattr(block, figure) for block in blocks[1:]]
    return [math.log(value) for value in values if value]


def interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float] | None:
    """The ratio of two figures and its bounds, from their blocks' logarithms; None for too few blocks."""
    if min(len(before), len(after)) < FEWEST_BLOCKS:
        return None
    spread = [statistics.variance(logs) / len(logs) for logs in (before, after)]
    error = math.sqrt(sum(spread))
    difference = statistics.fmean(after) - statistics.fmean(before)
    if not error:
        return math.exp(difference), math.exp(difference), math.exp(difference)
    # Welch and Satterthwaite: how many degrees of freedom two unequal spreads have together.
    freedom = sum(spread) ** 2 / sum(
        each**2 / (len(logs) - 1) for each, logs in zip(spread, (before, after), strict=True)
    )
    reach = t_quantile((1 + CONFIDENCE) / 2, freedom) * error
    return (
        math.exp(difference),
        round(math.exp(difference - reach), 3),
        round(math.exp(difference + reach), 3),
    )


def t_quantile(share: float, freedom: float) -> float:
    """Student's t, by the expansion around the normal one (Abramowitz and Stegun, 26.7.5)."""
    x = statistics.NormalDist().inv_cdf(share)
    first = (x**3 + x) / 4
    second = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    third = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    return x + first / freedom + second / freedom**2 + third / freedom**3


def _failures(before: Run, after: Run) -> list[Difference]:
    """The share of requests that failed; beyond noise by a test of two proportions."""
    old, new = before.total, after.total
    if not old.count or not new.count or not old.failed + new.failed:
        return []
    first, second = old.failed / old.count, new.failed / new.count
    pooled = (old.failed + new.failed) / (old.count + new.count)
    error = math.sqrt(pooled * (1 - pooled) * (1 / old.count + 1 / new.count))
    score = (second - first) / error if error else 0.0
    beyond = abs(score) > statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    ratio = round(second / first, 3) if first else math.inf
    shares = round(first, 6), round(second, 6)
    return [Difference("all", "failed share", *shares, ratio, None, None, beyond, second > first)]


def _doubts(before: Run, after: Run) -> list[str]:
    return [
        "one of them was interrupted" if before.interrupted or after.interrupted else "",
        "another machine" if _hardware(before) != _hardware(after) else "",
        "another mix" if before.mix != after.mix else "",
        f"another loop ({before.loop}, {after.loop})" if before.loop != after.loop else "",
        f"another shape ({before.shape}, {after.shape})" if before.shape != after.shape else "",
        f"another load was asked for ({before.asked:g}, {after.asked:g})"
        if before.asked != after.asked
        else "",
        "another share of requests was traced" if before.traced_share != after.traced_share else "",
    ]


def _hardware(run: Run) -> tuple[str, int, float]:
    return run.machine.processor, run.machine.cores, run.machine.memory_gib
