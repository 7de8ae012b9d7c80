"""The acceptance bars: what a decision must reach in the simulated service, beside what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mesh.canary.engine import INCONCLUSIVE, PROMOTED, ROLLED_BACK
from tests.bench.canary.environment import SCENARIOS
from tests.bench.canary.rollout import Outcome

BAD = tuple(scenario.name for scenario in SCENARIOS if not scenario.healthy)
# Healthy as far as blame goes; whether its share is applied is another question (bar 16).
HEALTHY = tuple(scenario.name for scenario in SCENARIOS if scenario.healthy and scenario.split_applied)
BAD_500 = tuple(scenario.name for scenario in SCENARIOS if not scenario.healthy and scenario.rps == 500.0)


@dataclass(frozen=True)
class Bar:
    """`parts`: what is measured, how, the most (or with `least`, the least) it may be."""

    number: int
    scenario: str
    what: str
    measure: Callable[[Outcome], float]
    bound: float
    least: bool = False
    unit: str = ""

    def holds(self, value: float) -> bool:
        """NaN, of no run that ended so, does not hold."""
        return value >= self.bound if self.least else value <= self.bound


def share(phase: int) -> Callable[[Outcome], float]:
    return lambda outcome: 100 * float(np.mean(outcome.phase == phase))


def ended(quantile: float, phase: int) -> Callable[[Outcome], float]:
    """Minutes, among the runs that ended so."""

    def measure(outcome: Outcome) -> float:
        minutes = outcome.minutes[outcome.phase == phase]
        return float(np.quantile(minutes, quantile)) if minutes.size else float("nan")

    return measure


def harmed(outcome: Outcome) -> float:
    return float(outcome.harmed.mean())


def bars() -> list[Bar]:
    """All that are measured on one scenario."""
    found = [
        *(Bar(3, name, "blamed", share(ROLLED_BACK), 0.5, unit="%") for name in HEALTHY),
        *(Bar(4, name, "promoted", share(PROMOTED), 1.0, unit="%") for name in BAD),
        *_stopped(5, ".1->1 %", {0.5: 2.0, 0.95: 3.0}, 18),
        *_stopped(6, ".1->5 %", {0.5: 1.0}, 15),
        *_stopped(7, ".5->1 %", {0.5: 4.5, 0.95: 6.0}, 75),
        *_stopped(8, "p99 x1.5", {0.5: 2.5}, 20),
        *_stopped(9, "5 % from w>=25 %", {0.95: 4.0}, 310),
        *_healthy(10, "dependency outage", 0.0, 99.0, {0.5: 18.0}),
        Bar(11, "breaks both arms", "promoted", share(PROMOTED), 0.0, unit="%"),
        Bar(11, "breaks both arms", "weight 0 p95", ended(0.95, INCONCLUSIVE), 7.5, unit="min"),
        Bar(11, "breaks both arms", "harmed", harmed, 2900),
        *_healthy(12, "healthy 2 rps", None, 99.0, {0.5: 18.0}),
        *_stopped(12, "2 rps .1->5 %", {}, 8),
        *_stopped(12, "2 rps .1->20 %", {0.5: 2.5}, 7),
        *_healthy(13, "shared bursts", 0.2, 98.0, {}),
        *_healthy(14, "pod bursts", 0.3, 98.0, {0.5: 25.0}),
        *_stopped(14, "pod bursts +5 %", {}, 200),
        *_stopped(14, "pod bursts +1 %", {}, 340),
        *_healthy(15, "healthy .1 %", None, None, {0.95: 5.5}),
        *_healthy(15, "drift", None, None, {0.95: 7.5}),
        Bar(16, "split not applied", "inconclusive", share(INCONCLUSIVE), 100.0, least=True, unit="%"),
        Bar(16, "split not applied", "ended, last", ended(1.0, INCONCLUSIVE), 1.5, unit="min"),
        Bar(16, "split not applied", "blamed", share(ROLLED_BACK), 0.0, unit="%"),
    ]
    return sorted(found, key=lambda bar: bar.number)


def _stopped(number: int, name: str, times: Mapping[float, float], most_harmed: float) -> list[Bar]:
    return [
        *(
            Bar(number, name, f"stopped p{100 * q:.0f}", ended(q, ROLLED_BACK), bound, unit="min")
            for q, bound in times.items()
        ),
        Bar(number, name, "harmed", harmed, most_harmed),
    ]


def _healthy(
    number: int, name: str, blamed: float | None, promoted: float | None, times: Mapping[float, float]
) -> list[Bar]:
    found = []
    if blamed is not None:
        found.append(Bar(number, name, "blamed", share(ROLLED_BACK), blamed, unit="%"))
    if promoted is not None:
        found.append(Bar(number, name, "promoted", share(PROMOTED), promoted, least=True, unit="%"))
    for q, bound in times.items():
        found.append(Bar(number, name, f"promoted p{100 * q:.0f}", ended(q, PROMOTED), bound, unit="min"))
    return found


def pooled(outcomes: Mapping[str, Outcome]) -> list[tuple[Bar, float]]:
    """Bars over several scenarios, where all of them were run: 3, 4 and 18."""
    found = []
    for number, names, what, phase in ((3, HEALTHY, "blamed", ROLLED_BACK), (4, BAD, "promoted", PROMOTED)):
        if all(name in outcomes for name in names):
            runs = np.concatenate([outcomes[name].phase for name in names])
            bar = Bar(number, "all of them", what, share(phase), 0.1, unit="%")
            found.append((bar, 100 * float(np.mean(runs == phase))))
    if all(name in outcomes for name in BAD_500):
        means = [float(outcomes[name].harmed_hour.mean()) for name in BAD_500]
        found.append(
            (Bar(18, "bad at 500 rps", "mean harmed in an hour", harmed, 450), float(np.mean(means)))
        )
    return found
