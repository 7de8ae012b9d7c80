"""The simulated service: many runs at once, one scrape a step.

15 s scrapes; ten pods, the canary's in proportion to its weight; Poisson traffic; latency lognormal with a
median of 40 ms and a p99 of 161 ms. What a decision at the start of scrape t sees ends with scrape t - 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import erfc, log, sqrt

import numpy as np

from mesh.canary.batch import Batch, History, Numbers
from mesh.canary.evidence import Array
from mesh.canary.model import LATENCY_EDGES_MS
from mesh.canary.pods import bad_from

SCRAPE_S = 15.0
PODS, CANARY_PODS = 10, 10
HISTORY = 240
MEDIAN_MS, SIGMA, SLOW_SIGMA = 40.0, 0.5986, 0.7729  # p99 161 ms, and half as much again
HARM_MS = 250.0  # the first edge above stable's p99
BURST_S = 22.0
# The rate at which the canary of the last scenario breaks what both arms need, per share of the traffic.
BREAKS = 0.6


@dataclass(frozen=True)
class Scenario:
    """A service and a canary; rates are fractions, times minutes from the start of the run."""

    name: str
    healthy: bool
    rps: float = 500.0
    errors: float = 0.001
    extra: float = 0.0  # the canary's errors above stable's
    extra_from: float = 0.0  # from this weight on
    slow: bool = False
    breaks_both: bool = False
    outage: tuple[float, float, float] | None = None  # earliest and latest start, length
    shared_bursts: bool = False
    pod_bursts: bool = False
    drift: bool = False
    split_applied: bool = True


SCENARIOS = (
    Scenario("healthy .1 %", True),
    Scenario("healthy .5 %", True, errors=0.005),
    Scenario("trivial .10->.13 %", True, extra=0.0003),
    Scenario("dependency outage", True, outage=(1.0, 4.0, 6.0)),
    Scenario("healthy 2 rps", True, rps=2.0),
    Scenario("shared bursts", True, shared_bursts=True),
    Scenario("pod bursts", True, pod_bursts=True),
    Scenario("drift", True, errors=0.002, drift=True),
    Scenario("at the tolerance", True, errors=0.005, extra=0.001),
    Scenario(".1->1 %", False, extra=0.009),
    Scenario(".1->5 %", False, extra=0.049),
    Scenario(".5->1 %", False, errors=0.005, extra=0.005),
    Scenario("p99 x1.5", False, slow=True),
    Scenario("5 % from w>=25 %", False, extra=0.049, extra_from=0.25),
    Scenario("breaks both arms", False, breaks_both=True),
    Scenario("50 rps .1->1 %", False, rps=50.0, extra=0.009),
    Scenario("2 rps .1->5 %", False, rps=2.0, extra=0.049),
    Scenario("2 rps .1->20 %", False, rps=2.0, extra=0.199),
    Scenario("pod bursts +5 %", False, pod_bursts=True, extra=0.05),
    Scenario("pod bursts +1 %", False, pod_bursts=True, extra=0.01),
    Scenario("drift +1 %", False, errors=0.002, drift=True, extra=0.01),
    Scenario("split not applied", True, split_applied=False),
)
# Worse by the margin that a promotion rules out at 500 rps, and with bursts: promise N, beside the bars.
AT_THE_MARGIN = (
    Scenario("at the margin", False, extra=0.005),
    Scenario("at the margin, pod bursts", False, pod_bursts=True, extra=0.02),
)
OUTAGE_ERRORS, POD_BURST_ERRORS, SHARED_BURST_ERRORS = 0.2, 0.2, (0.05, 0.30)
POD_BURST_EVERY_S, SHARED_BURST_EVERY_S = 1200.0, 300.0


def tail(sigma: float) -> Array:
    """The shares of requests slower than each edge."""
    return np.array([0.5 * erfc(log(edge / MEDIAN_MS) / sigma / sqrt(2)) for edge in LATENCY_EDGES_MS])


def bursts(rng: np.random.Generator, shape: tuple[int, ...], every_s: float, size: Array) -> Array:
    """[..., scrapes]: the error rate that bursts of 22 s, one every `every_s` on average, add to a scrape."""
    begins = rng.random(shape) < SCRAPE_S / every_s
    offset = rng.uniform(0, SCRAPE_S, shape)
    height = np.where(begins, size, 0.0)
    parts = (
        SCRAPE_S - offset,
        np.minimum(SCRAPE_S, BURST_S - SCRAPE_S + offset),
        np.maximum(0.0, BURST_S - 2 * SCRAPE_S + offset),
    )
    added = np.zeros(shape)
    for later, part in enumerate(parts):
        share = height * part / SCRAPE_S
        added[..., later:] += share[..., : shape[-1] - later]
    return np.minimum(added, 1.0)


@dataclass
class Environment:
    """`runs` services of one scenario for `scrapes` scrapes."""

    scenario: Scenario
    runs: int
    scrapes: int
    seed: int
    rng: np.random.Generator = field(init=False)
    quantiles: Numbers = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng((self.seed, *self.scenario.name.encode()))
        most = int(8 * SCRAPE_S * self.scenario.rps / PODS * (5 if self.scenario.drift else 1)) + 100
        self.quantiles = np.array([bad_from(n, 0.01) for n in range(most)])
        self.shared = self._shared(self.scrapes)
        self.pods = self._pods(PODS + CANARY_PODS, self.scrapes)
        self.tails = tail(SIGMA), tail(SLOW_SIGMA if self.scenario.slow else SIGMA)
        if self.scenario.outage:
            earliest, latest, length = (60 * minutes for minutes in self.scenario.outage)
            start = self.rng.uniform(earliest, latest, (self.runs, 1))
            edges = np.arange(self.scrapes) * SCRAPE_S
            inside = np.minimum(edges + SCRAPE_S, start + length) - np.maximum(edges, start)
            self.shared = self.shared + OUTAGE_ERRORS * np.clip(inside, 0, SCRAPE_S) / SCRAPE_S

    def _shared(self, scrapes: int) -> Array:
        if not self.scenario.shared_bursts:
            return np.zeros((self.runs, scrapes))
        low, high = SHARED_BURST_ERRORS
        shape = (self.runs, scrapes)
        return bursts(self.rng, shape, SHARED_BURST_EVERY_S, self.rng.uniform(low, high, shape))

    def _pods(self, pods: int, scrapes: int) -> Array:
        if not self.scenario.pod_bursts:
            return np.zeros((1, pods, 1))
        shape = (self.runs, pods, scrapes)
        return bursts(self.rng, shape, POD_BURST_EVERY_S, np.full(shape, POD_BURST_ERRORS))

    def history(self) -> History:
        """An hour of stable alone."""
        rates = self.scenario.errors + self._shared(HISTORY)[..., None]
        rates = np.minimum(rates + self._pods(PODS, HISTORY).transpose(0, 2, 1), 1.0)
        mean = self.scenario.rps * SCRAPE_S / PODS
        n = self.rng.poisson(mean, (self.runs, HISTORY, PODS))
        k = self.rng.binomial(n, rates)
        requests = n.sum(axis=2)
        return History(
            requests=requests.astype(float),
            errors=k.sum(axis=2).astype(float),
            slow=self.slow(requests, self.tails[0]),
            pod_requests=n.astype(float),
            pod_errors=k.astype(float),
            pod_bad=((n > 0) & (k >= self.quantiles[n])).astype(float),
        )

    def slow(self, requests: Numbers, tails: Array) -> Array:
        """[..., edges]: counts that fall from edge to edge, as a histogram's do."""
        left, before, counts = requests, 1.0, []
        for share in tails:
            left = self.rng.binomial(left, share / before)
            counts.append(left)
            before = share
        return np.stack(counts, axis=-1).astype(float)

    def scrape(self, t: int, weight: Array, runs: Numbers) -> tuple[Batch, Array, Array]:
        """(the scrape, requests harmed [R], the first stable pod's requests and errors [R, 2])."""
        scenario = self.scenario
        traffic = scenario.rps * SCRAPE_S
        level = np.full(len(runs), scenario.errors)
        if scenario.drift:
            level = level + 0.01 * min(t * SCRAPE_S / 1200, 1.0)
            traffic *= 1 + 4 * min(t * SCRAPE_S / 1800, 1.0)
        shared = level + self.shared[runs, t]
        both = BREAKS * weight if scenario.breaks_both else np.zeros(len(runs))
        extra = np.where((weight > 0) & (weight >= scenario.extra_from), scenario.extra, 0.0)
        share = weight if scenario.split_applied else np.zeros(len(runs))
        arms = [
            self._arm(t, runs, traffic * (1 - share), np.full(len(runs), PODS), shared + both, 0),
            self._arm(t, runs, traffic * share, np.ceil(PODS * weight - 1e-9), shared + both + extra, 1),
        ]
        n, k = ([arm[part].sum(axis=1) for arm in arms] for part in (0, 1))
        harm_edge = LATENCY_EDGES_MS.index(HARM_MS)
        slower = self.tails[1][harm_edge] - self.tails[0][harm_edge]
        harmed = n[1] * (extra + both + slower) + n[0] * both
        bad = [((arm[0] > 0) & (arm[1] >= self.quantiles[arm[0]])).sum(axis=1) for arm in arms]
        served = [(arm[0] > 0).sum(axis=1) for arm in arms]
        batch = Batch(
            at=np.full(len(runs), (t + 1) * SCRAPE_S),
            weight=weight,
            whole=np.full(len(runs), True),
            requests=np.stack(n, axis=1).astype(float),
            errors=np.stack(k, axis=1).astype(float),
            slow=np.stack(
                [self.slow(count, tails) for count, tails in zip(n, self.tails, strict=True)], axis=1
            ),
            units=np.stack(served, axis=1).astype(float),
            bad=np.stack(bad, axis=1).astype(float),
            pods=np.stack([np.full(len(runs), PODS), np.ceil(PODS * weight - 1e-9)], axis=1).astype(float),
        )
        return batch, harmed, np.stack((arms[0][0][:, 0], arms[0][1][:, 0]), axis=1).astype(float)

    def _arm(
        self, t: int, runs: Numbers, mean: Array, pods: Array, rate: Array, arm: int
    ) -> tuple[Numbers, Numbers]:
        """Requests and errors of each pod [R, pods]."""
        columns = PODS if arm == 0 else max(1, int(pods.max(initial=1)))
        there = np.arange(columns) < pods[:, None]
        each = np.where(there, (mean / np.maximum(pods, 1))[:, None], 0.0)
        n = self.rng.poisson(each)
        rates = rate[:, None]
        if self.scenario.pod_bursts:
            first = arm * PODS
            rates = rates + self.pods[runs, first : first + columns, t]
        return n, self.rng.binomial(n, np.minimum(rates, 1.0))
