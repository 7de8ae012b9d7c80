"""For comparison: the rules of Flagger and of Kayenta, written anew, in the same simulated service.

Flagger (fluxcd/flagger, pkg/controller/scheduler.go): once a minute the canary alone is held against fixed
thresholds over the last minute; a failed check keeps the weight, as does one without data, and five roll
back. Kayenta (spinnaker/kayenta, NetflixACAJudge): a canary of a tenth beside an equal baseline for an hour,
judged every ten minutes on all minutes so far; a metric fails when the 98 % interval of the Mann-Whitney test
lies above a quarter of the Hodges-Lehmann estimate; one failed group of two scores 50, no data nothing.
"""

from __future__ import annotations

import numpy as np

from mesh.canary.batch import Batch, Flags, Numbers
from mesh.canary.engine import PROGRESSING, PROMOTED, ROLLED_BACK
from mesh.canary.evidence import CANARY, Array
from mesh.canary.model import LATENCY_EDGES_MS
from tests.bench.canary.environment import SCRAPE_S, Environment, Scenario
from tests.bench.canary.rollout import RUN_SCRAPES, Outcome, harm_at_full

MINUTE = 4  # scrapes
FLAGGER_WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)
FLAGGER_THRESHOLD, FLAGGER_SUCCESS, FLAGGER_P99_MS = 5, 0.99, 500.0
KAYENTA_WEIGHT, KAYENTA_EVERY = 0.1, 10
KAYENTA_FRACTION, KAYENTA_Z = 0.25, 2.326347874  # a two-sided interval of 98 %


def flagger(scenario: Scenario, runs: int, seed: int) -> Outcome:
    """Weights 10 to 50 % by a step a minute; success rate at least 99 %, p99 at most 500 ms."""
    environment = Environment(scenario, runs, RUN_SCRAPES + 2, 1000 * seed + 500)
    everyone = np.arange(runs)
    step, failed = np.zeros(runs, dtype=np.int64), np.zeros(runs, dtype=np.int64)
    phase, end = np.full(runs, PROGRESSING), np.full(runs, float(RUN_SCRAPES))
    passed = np.zeros(runs, dtype=bool)
    harmed, seen = np.zeros(runs), list[Batch]()
    for t in range(RUN_SCRAPES):
        if t and t % MINUTE == 0:
            open_ = phase == PROGRESSING
            back = open_ & (failed >= FLAGGER_THRESHOLD)
            done = open_ & passed
            phase = np.where(back, ROLLED_BACK, np.where(done, PROMOTED, phase))
            end = np.where(back | done, t, end)
            good = _healthy(seen[max(0, t - 1 - MINUTE) : t - 1])
            going = open_ & ~back & ~done
            failed = failed + (going & ~good)
            passed = going & good & (step == len(FLAGGER_WEIGHTS) - 1)
            step = np.minimum(step + (going & good), len(FLAGGER_WEIGHTS) - 1)
        if (phase != PROGRESSING).all():
            break
        weight = np.where(phase == PROGRESSING, np.array(FLAGGER_WEIGHTS)[step], 0.0)
        batch, hurt, _ = environment.scrape(t, weight, everyone)
        harmed += hurt
        seen.append(batch)
    return _outcome(environment, phase, end, harmed)


def _healthy(window: list[Batch]) -> Flags:
    n = np.sum([batch.requests[:, CANARY] for batch in window], axis=0)
    k = np.sum([batch.errors[:, CANARY] for batch in window], axis=0)
    slow = np.sum([batch.slow[:, CANARY] for batch in window], axis=0)
    rate = 1 - k / np.maximum(n, 1)
    return np.asarray((n > 0) & (rate >= FLAGGER_SUCCESS) & (p99(n, slow) <= FLAGGER_P99_MS))


def p99(requests: Array, slow: Array) -> Array:
    """Read off the buckets as histogram_quantile does, linear inside one; requests [R], slow [R, edges]."""
    edges = np.array((0.0, *LATENCY_EDGES_MS))
    below = np.concatenate((np.zeros((len(requests), 1)), requests[:, None] - slow), axis=1)
    rank = 0.99 * requests[:, None]
    upper = np.clip((below < rank).sum(axis=1), 1, len(edges) - 1)
    rows = np.arange(len(requests))
    low, high = below[rows, upper - 1], below[rows, upper]
    part = np.clip((rank[:, 0] - low) / np.maximum(high - low, 1e-9), 0, 1)
    return np.asarray(edges[upper - 1] + part * (edges[upper] - edges[upper - 1]))


def kayenta(scenario: Scenario, runs: int, seed: int) -> Outcome:
    """An hour at 10 %; the baseline is one of stable's ten pods."""
    environment = Environment(scenario, runs, RUN_SCRAPES + 2, 1000 * seed + 600)
    everyone, weight = np.arange(runs), np.full(runs, KAYENTA_WEIGHT)
    phase, end = np.full(runs, PROGRESSING), np.full(runs, float(RUN_SCRAPES))
    harmed = np.zeros(runs)
    minutes = RUN_SCRAPES // MINUTE
    errors, latency = np.zeros((2, runs, minutes)), np.zeros((2, runs, minutes))
    answered = np.zeros(runs)
    for minute in range(minutes):
        counts = np.zeros((2, runs, 2 + len(LATENCY_EDGES_MS)))
        for t in range(minute * MINUTE, (minute + 1) * MINUTE):
            batch, hurt, pod = environment.scrape(t, np.where(phase == PROGRESSING, weight, 0.0), everyone)
            harmed += hurt
            slow = environment.slow(pod[:, 0].astype(np.int64), environment.tails[0])
            counts[0] += np.concatenate((pod, slow), axis=1)
            one = batch.requests[:, CANARY, None], batch.errors[:, CANARY, None], batch.slow[:, CANARY]
            counts[1] += np.concatenate(one, axis=1)
        answered += counts[1, :, 0]
        errors[..., minute] = counts[..., 1] / np.maximum(counts[..., 0], 1)
        latency[..., minute] = [p99(arm[:, 0], arm[:, 2:]) for arm in counts]
        if (minute + 1) % KAYENTA_EVERY == 0:
            so_far = slice(0, minute + 1)
            failed = _higher(*errors[..., so_far]) | _higher(*latency[..., so_far]) | (answered == 0)
            back = (phase == PROGRESSING) & failed
            phase = np.where(back, ROLLED_BACK, phase)
            end = np.where(back, (minute + 1) * MINUTE, end)
    phase = np.where(phase == PROGRESSING, PROMOTED, phase)
    return _outcome(environment, phase, end, harmed)


def _higher(baseline: Array, canary: Array) -> Flags:
    """[R]: whether the interval of the shift lies above a quarter of its estimate; values [R, minutes]."""
    size = baseline.shape[1]
    shifts = np.sort((canary[:, :, None] - baseline[:, None, :]).reshape(len(canary), -1), axis=1)
    spread = np.sqrt(size * size * (2 * size + 1) / 12)
    rank = max(1, round(size * size / 2 - KAYENTA_Z * spread))
    return np.asarray(shifts[:, rank - 1] > KAYENTA_FRACTION * np.abs(np.median(shifts, axis=1)))


def _outcome(environment: Environment, phase: Numbers, end: Array, harmed: Array) -> Outcome:
    minutes = end * SCRAPE_S / 60
    rest = np.where(phase == PROMOTED, harm_at_full(environment) * np.maximum(60 - minutes, 0), 0.0)
    return Outcome(phase, minutes, harmed, harmed + rest, np.zeros(len(phase), dtype=np.int64))
