"""A small simulated service for the decision's tests: seeded, so that every run is the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mesh.canary.decision import ArmSample, Decider, Decision, Observation, PodSample, Settings

EDGES_MS = (100.0, 250.0)
TAILS = (0.06, 0.008)
SETTINGS = Settings(latency_edges_ms=EDGES_MS)

Fault = Callable[[int, float], float]


def never(_scrape: int, _weight: float) -> float:
    return 0.0


@dataclass
class Service:
    """Poisson traffic on ten pods; rates may depend on the number of the scrape and the canary's weight."""

    rps: float = 500.0
    errors: float = 0.001
    canary: Fault = never  # added to the canary's error rate
    both: Fault = never  # added to both arms'
    slower: float = 1.0  # the canary's tails times this
    seed: int = 1
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def arm(self, mean: float, pods: int, rate: float, tails: float = 1.0) -> ArmSample:
        n = self.rng.poisson(mean / max(pods, 1), pods)
        k = self.rng.binomial(n, min(rate, 1.0))
        slow, left, before = [], int(n.sum()), 1.0
        for share in TAILS:
            left = int(self.rng.binomial(left, min(1.0, share * tails / before)))
            slow.append(left)
            before = share * tails
        named = {f"pod-{i}": PodSample(int(n[i]), int(k[i])) for i in range(pods)}
        return ArmSample(int(n.sum()), int(k.sum()), tuple(slow), named)

    def history(self, scrapes: int = 240) -> list[ArmSample]:
        mean = self.rps * self.settings.scrape_s
        return [self.arm(mean, 10, self.errors) for _ in range(scrapes)]

    def scrape(self, number: int, weight: float) -> Observation:
        mean = self.rps * self.settings.scrape_s
        base = self.errors + self.both(number, weight)
        canary = base + self.canary(number, weight)
        pods = math.ceil(10 * weight - 1e-9)
        return Observation(
            at=1000.0 + self.settings.scrape_s * (number + 1),
            weight=weight,
            whole_step=True,
            stable=self.arm(mean * (1 - weight), 10, base),
            canary=self.arm(mean * weight, pods, canary, self.slower),
        )

    def decider(self) -> Decider:
        return Decider(self.settings, self.history())

    def run(self, scrapes: int = 480) -> tuple[list[Observation], list[Decision]]:
        """Scrapes and the decision after each, until the end; a decision sees all but the last scrape."""
        decider = self.decider()
        observations, decisions = [self.scrape(0, decider.decision.weight)], list[Decision]()
        for number in range(1, scrapes):
            observations.append(self.scrape(number, decider.decision.weight))
            decisions.append(decider.observe(observations[number - 1]))
            if ended(decisions[-1]):
                break
        return observations[: len(decisions)], decisions


def ended(decision: Decision) -> bool:
    return decision.phase in ("promoted", "rolled_back", "inconclusive")


def quiet(observation: Observation, at: float) -> Observation:
    """The same counts at another time."""
    return replace(observation, at=at)
