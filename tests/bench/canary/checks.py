"""Bars that need no scenario: the arithmetic, the null's boundary, what a decision costs, a restart."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mesh.canary.decision import ArmSample, Decider, Observation, PodSample, Settings
from mesh.canary.evidence import Array, log_evalue, log_mean_exp, mixed, worse
from mesh.canary.model import LATENCY_EDGES_MS
from mesh.canary.references import DISCOUNT, rate
from mesh.canary.wealth import ERRORS_A, ERRORS_D

# nS, nC, kS, kC, tS, tC, a, d, log e
VECTORS = (
    (7425, 75, 7, 4, 0.001, 0.05, 1.1, 0.0005, 9.804419),
    (3750, 3750, 4, 4, 0.001, 0.001, 1, 0.005, 10.911400),
    (3750, 3750, 20, 39, 0.005, 0.012, 1.1, 0.0005, 1.519093),
    (26, 4, 0, 2, 0.001, 0.2, 1.1, 0.0005, 3.789264),
    (7425, 75, 0, 0, 0.001, 0.01, 1.1, 0.0005, -0.187753),
)
SCRAPES = 240
CHUNK = 2000


def vectors() -> float:
    """The largest difference from the known values."""
    worst = 0.0
    for *numbers, a, d, value in VECTORS:
        arrays = [np.array(float(number)) for number in numbers]
        nS, nC, kS, kC, tS, tC = arrays
        worst = max(worst, abs(float(log_evalue(nS, nC, kS, kC, tS, tC, a, d)) - value))
    return worst


def on_the_line() -> float:
    """The largest |log E[e]| on the line, by an exact sum over Poisson counts."""
    worst = 0.0
    for nS, nC, x, tS, tC in (
        (20.0, 2.0, 0.05, 0.02, 0.4),
        (20.0, 20.0, 0.1, 0.1, 0.05),
        (5.0, 30.0, 0.2, 0.3, 0.6),
    ):
        a, d = 1.1, 0.0505
        counts = np.arange(160.0)
        values = log_evalue(
            np.array(nS), np.array(nC), counts[:, None], counts[None, :], np.array(tS), np.array(tC), a, d
        )
        total = np.exp(
            values + _log_poisson(counts, nS * x)[:, None] + _log_poisson(counts, nC * (a * x + d))
        )
        worst = max(worst, abs(float(np.log(total.sum()))))
    return worst


def _log_poisson(counts: Array, mean: float) -> Array:
    factorials = np.concatenate(([0.0], np.cumsum(np.log(counts[1:]))))
    return np.asarray(counts * np.log(mean) - mean - factorials)


@dataclass(frozen=True)
class Cell:
    rps: float
    share: float
    errors: float


CELLS = (
    Cell(500, 0.01, 0.001),
    Cell(500, 0.10, 0.001),
    Cell(500, 0.50, 0.001),
    Cell(500, 0.10, 0.010),
    Cell(50, 0.10, 0.005),
    Cell(2, 0.25, 0.005),
)


def crossing(cell: Cell, runs: int, seed: int) -> float:
    """Percent of canaries just at the tolerance whose error wealth, from one, ever reaches 100 in an hour."""
    crossed = 0
    rng = np.random.default_rng((seed, round(1e6 * cell.errors), round(1000 * cell.share), round(cell.rps)))
    for start in range(0, runs, CHUNK):
        crossed += _crossed(cell, min(CHUNK, runs - start), rng)
    return 100 * crossed / runs


def _crossed(cell: Cell, runs: int, rng: np.random.Generator) -> int:
    n = 15 * cell.rps * np.array((1 - cell.share, cell.share))
    mean = n * np.array((cell.errors, ERRORS_A * cell.errors + ERRORS_D))
    ref_n = np.full(runs, 20_000.0)
    ref_k = rng.poisson(20_000 * cell.errors, runs).astype(float)
    log_a, best = np.zeros((runs, 8)), np.zeros(runs)
    for _ in range(SCRAPES):
        k = rng.poisson(mean, (runs, 2)).astype(float)
        level = rate(ref_k, ref_n)
        exposure = np.broadcast_to(n, (runs, 1, 2))
        alternatives = worse(level, ERRORS_A, ERRORS_D, 8, 3)
        log_a += mixed(exposure, k[:, None], level[:, None], alternatives, ERRORS_A, ERRORS_D)
        best = np.maximum(best, log_mean_exp(log_a))
        ref_k, ref_n = DISCOUNT * ref_k + k[:, 0], DISCOUNT * ref_n + n[0]
    return int((best >= np.log(100)).sum())


@dataclass(frozen=True)
class Cost:
    """Of a decision: seconds of processor time, the largest state, whether restarts change nothing."""

    mean_s: float
    worst_s: float
    state_bytes: int
    restarts_alike: bool


def cost(seed: int, scrapes: int = 200) -> Cost:
    """A decider at 500 requests a second on ten pods, restarted after every scrape beside one that is not."""
    rng = np.random.default_rng(seed)
    history = [_arm(rng, 7500.0, 10) for _ in range(240)]
    decider = Decider(Settings(steps=(0.1,)), history)
    restarted, alike, size, times = decider.dumps(), True, 0, []
    for number in range(scrapes):
        observation = Observation(15.0 * number, 0.1, False, _arm(rng, 6750, 10), _arm(rng, 750, 1))
        begin = time.process_time()
        decision = decider.observe(observation)
        times.append(time.process_time() - begin)
        again = Decider.loads(restarted)
        alike &= again.observe(observation) == decision
        restarted = again.dumps()
        alike &= restarted == decider.dumps()
        size = max(size, len(restarted.encode()))
    return Cost(float(np.mean(times[5:])), float(np.quantile(times[5:], 0.99)), size, alike)


def _arm(rng: np.random.Generator, mean: float, pods: int) -> ArmSample:
    n = rng.poisson(mean / pods, pods)
    k = rng.binomial(n, 0.001)
    tails = sorted(
        (int(rng.binomial(n.sum(), 0.5**edge)) for edge in range(len(LATENCY_EDGES_MS))), reverse=True
    )
    named = {f"links-{i}": PodSample(int(n[i]), int(k[i])) for i in range(pods)}
    return ArmSample(int(n.sum()), int(k.sum()), tuple(tails), named)
