"""What is fixed before a run: the ladder of weights, the margins of its steps, the latency edges judged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mesh.canary.batch import Flags, History, Numbers
from mesh.canary.dispersion import MIN_PODS, dispersion
from mesh.canary.evidence import ERROR_LEVELS, OTHER_LEVELS, Array, level_weights, log_evalue
from mesh.canary.model import Settings

RUNGS = (0.05, 0.10, 0.25, 0.50)
# The first rung gives the canary a quarter of a request a second, within these shares.
FIRST_RPS, FIRST_LEAST, FIRST_MOST = 0.25, 0.01, 0.25
# A rung closer than this to the first is not worth a step.
RUNG_RATIO = 1.5
# A step may hurt this share of all requests, or so many a second in a small service.
HARM, HARM_RPS = 0.01, 0.05
WIDER = np.array((1.0, 1.25, 1.5, 2.0, 2.5, 3.0))
STEP_S, PROMOTION_S = 300.0, 900.0
PROMOTION_MARGINS = np.array((0.005, 0.01, 0.015, 0.02, 0.03, 0.05))
TAIL_MARGINS = np.array((0.01, 0.02, 0.03, 0.05, 0.10))
TAIL_FACTOR = 1.25
# Shares of stable's requests near which an edge shows its p95 and p99; above the last none is judged.
PROOF_TAILS = (0.05, 0.01)
JUDGED_EDGES, MOST_TAIL = 4, 0.30
# Component weights: errors, latency tails, pod-scrapes, block betting.
WEIGHTS = np.array((0.40, 0.30, 0.15, 0.15))
# Where dispersion could not be measured: bad pods and, for promotion, errors come in batches of two.
UNMEASURED = 2.0
SMALL_RPS, RUN_S, SMALL_RUN_S = 10.0, 3600.0, 7200.0


@dataclass
class Plan:
    """[R] runs with the same settings, ladder and expected traffic.

    step_margins [R, steps] (the last is the promotion's), edges [R, judged] into the settings' list, the
    first two near p95 and p99, `judged` which of them count, tail_margins [R, 2], weights [R, 4], phi [R];
    `rps` requests a second and `size` pods of the whole service.
    """

    settings: Settings
    rps: float
    size: int
    steps: tuple[float, ...]
    run_timeout_s: float
    step_margins: Array
    tail_margins: Array
    edges: Numbers
    judged: Flags
    weights: Array
    phi: Array
    phi_pods: Array
    pod_requests: Array


def make_plan(settings: Settings, history: History, tails: Array, level: Array) -> Plan:
    """The plan of each run; `tails` [R, edges] and `level` [R] are stable's shares before the run."""
    rps, pods = size(settings, history)
    steps = settings.steps or ladder(rps)
    measured, phi, phi_pods, per_pod = clustering(settings, history)
    edges, judged = judged_edges(tails)
    total = rps * settings.scrape_s
    shape = Traffic(total, pods, phi, per_pod)
    active = np.stack((measured, measured & judged.any(axis=1), measured | True, measured | True), axis=1)
    weights = WEIGHTS * active
    proof = np.take_along_axis(tails, edges[:, :2], axis=1)
    run_s = RUN_S if rps >= SMALL_RPS else SMALL_RUN_S
    return Plan(
        settings=settings,
        rps=rps,
        size=pods,
        steps=steps,
        run_timeout_s=settings.run_timeout_s or run_s,
        step_margins=step_margins(settings, steps, level, shape, harm(rps)),
        tail_margins=tail_margins(settings, steps[-1], proof, total),
        edges=edges,
        judged=judged,
        weights=weights / weights.sum(axis=1, keepdims=True),
        phi=phi,
        phi_pods=phi_pods,
        pod_requests=per_pod,
    )


def ladder(rps: float) -> tuple[float, ...]:
    """Canary shares in whole percent, from a share that small services can judge to one half."""
    first = min(max(FIRST_RPS / rps, FIRST_LEAST), FIRST_MOST)
    first = math.ceil(100 * first - 1e-9) / 100
    return (first, *(rung for rung in RUNGS if rung >= RUNG_RATIO * first))


def harm(rps: float) -> float:
    """The share of all requests that the next step may hurt."""
    return max(HARM, HARM_RPS / rps)


def size(settings: Settings, history: History) -> tuple[float, int]:
    """(requests a second, pods) of the whole service."""
    scrapes = history.requests.shape[1]
    rps = settings.expected_rps
    if rps is None and scrapes:
        rps = float(history.requests[0].mean()) / settings.scrape_s
    if not rps:
        raise ValueError("expected_rps is needed when the history has no requests")
    pods = settings.max_pods
    if pods is None:
        pods = max(1, round(float((history.pod_requests[0] > 0).sum(axis=1).mean()))) if scrapes else 1
    return rps, pods


def clustering(settings: Settings, history: History) -> tuple[Flags, Array, Array, Array]:
    """(whether errors' dispersion is known, theirs, that of bad pods, requests per pod and scrape)."""
    served = history.pod_requests > 0
    runs, scrapes, _ = served.shape
    if not scrapes:
        unknown = np.full(runs, UNMEASURED)
        given = settings.request_dispersion
        known = np.full(runs, given is not None)
        return known, unknown if given is None else np.full(runs, given), unknown, np.zeros(runs)
    per_pod = history.pod_requests.sum(axis=(1, 2)) / np.maximum(served.sum(axis=(1, 2)), 1)
    pods = served.sum(axis=2).mean(axis=1)
    long = scrapes * settings.scrape_s >= settings.min_history_s
    known = (pods >= MIN_PODS) & long
    phi = np.where(known, dispersion(history.pod_requests, history.pod_errors, 1.0), UNMEASURED)
    bad = np.where(known, dispersion(served.astype(float), history.pod_bad, UNMEASURED), UNMEASURED)
    if settings.request_dispersion is not None:
        known, phi = np.full(runs, True), np.full(runs, settings.request_dispersion)
    return known, phi, np.maximum(UNMEASURED, bad), per_pod


def judged_edges(tails: Array) -> tuple[Numbers, Flags]:
    """(edges near p95 and p99, the next above, the next below; which of them count)."""
    runs, count = tails.shape
    wanted = min(JUDGED_EDGES, count)
    edges = np.zeros((runs, wanted), dtype=np.int64)
    judged = np.zeros((runs, wanted), dtype=bool)
    for run in range(runs):
        left = [edge for edge in range(count) if tails[run, edge] < MOST_TAIL]
        chosen = []
        for share in PROOF_TAILS:
            if left:
                nearest = min(left, key=lambda edge: abs(math.log(max(tails[run, edge], 1e-6) / share)))
                left.remove(nearest)
                chosen.append(nearest)
        if chosen:
            low, high = min(chosen), max(chosen)
            chosen += [edge for edge in left if edge > high][:1] + [edge for edge in left if edge < low][-1:]
        edges[run, : len(chosen)] = chosen[:wanted]
        judged[run, : len(chosen)] = True
    return edges, judged


@dataclass(frozen=True)
class Traffic:
    """Of a scrape: all requests; the service's pods; phi [R] and requests per pod [R] in the history."""

    total: float
    pods: int
    phi: Array
    per_pod: Array

    def at(self, weight: float) -> tuple[Array, Array]:
        """Effective requests of stable and canary [R] at a canary share, with pods in proportion."""
        canary = weight * self.total
        scaled = self.phi * canary / math.ceil(self.pods * weight) / np.maximum(self.per_pod, 1e-12)
        phi = np.where(self.per_pod > 0, np.clip(scaled, 1.0, self.phi), self.phi)
        return (1 - weight) * self.total / self.phi, canary / phi


def growth(
    nS: Array, nC: Array, level: Array, margin: Array | float, a: float = 1.0, levels: int = ERROR_LEVELS
) -> Array:
    """The expected log e-value of a scrape in which the canary is just as stable, against "worse".

    Less what the mixture over common levels costs where there is no burst.
    """
    plain = log_evalue(nS, nC, nS * level, nC * level, level, level, a, margin)
    return plain + math.log(level_weights(levels)[0])


def step_margins(
    settings: Settings, steps: tuple[float, ...], level: Array, traffic: Traffic, harm: float
) -> Array:
    """[R, steps]: what each step rules out before the next; the last, before promotion."""
    scrapes = STEP_S / settings.scrape_s
    margins = np.zeros((len(level), len(steps)))
    for number, (weight, following) in enumerate(pairwise(steps)):
        nS, nC = traffic.at(weight)
        wider = harm / following * WIDER
        enough = scrapes * growth(nS[:, None], nC[:, None], level[:, None], wider)
        margins[:, number] = _smallest(wider, enough >= math.log(1 / settings.alpha_promote))
    nS, nC = traffic.at(steps[-1])
    rate = growth(nS[:, None], nC[:, None], level[:, None], PROMOTION_MARGINS)
    margins[:, -1] = _smallest(PROMOTION_MARGINS, _provable(settings, rate))
    return margins


def tail_margins(settings: Settings, weight: float, tails: Array, total: float) -> Array:
    """[R, 2]: the excess in the shares of requests slower than the two edges that a promotion rules out."""
    nS = np.full((*tails.shape, 1), (1 - weight) * total / settings.tail_dispersion)
    nC = np.full((*tails.shape, 1), weight * total / settings.tail_dispersion)
    rate = growth(nS, nC, tails[..., None], TAIL_MARGINS, TAIL_FACTOR, OTHER_LEVELS)
    return _smallest(TAIL_MARGINS, _provable(settings, rate))


def _provable(settings: Settings, rate: Array) -> Flags:
    wanted = 1.3 * math.log(3 / settings.alpha_promote)
    return np.asarray(PROMOTION_S / settings.scrape_s * rate >= wanted)


def _smallest(values: Array, enough: Flags) -> Array:
    """The first value that is enough, or the last."""
    first = np.where(enough.any(axis=-1), enough.argmax(axis=-1), len(values) - 1)
    return values[first]
