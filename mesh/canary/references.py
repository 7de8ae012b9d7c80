"""What a scrape counts for: stable's rates before it, and both arms' counts over their dispersion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesh.canary.batch import Batch, Flags, History
from mesh.canary.dispersion import canary_dispersion
from mesh.canary.evidence import CANARY, STABLE, Array
from mesh.canary.ladder import Plan
from mesh.canary.state import State

DISCOUNT = 0.98
# So much of the last hour starts the references.
START_S, START_REQUESTS = 3600.0, 20_000.0


@dataclass
class Effective:
    """Counts over dispersion with a last axis (stable, canary), and stable's rates before the scrape.

    n, k, n_pods, k_pods [R, 1, 2]; n_tails, k_tails [R, edges, 1, 2]; level, bad [R]; tails [R, edges].
    """

    n: Array
    k: Array
    level: Array
    n_tails: Array
    k_tails: Array
    tails: Array
    n_pods: Array
    k_pods: Array
    bad: Array


def start(history: History, scrape_s: float) -> tuple[Array, Array, Array, Array, Array]:
    """Of stable's last hour, at most 20 000 requests: these, errors, slow [R, all edges], pods, bad pods."""
    last = max(1, round(START_S / scrape_s))
    requests = history.requests[:, -last:].sum(axis=1)
    share = START_REQUESTS / np.maximum(requests, START_REQUESTS)
    errors = history.errors[:, -last:].sum(axis=1)
    slow = history.slow[:, -last:].sum(axis=1)
    units = (history.pod_requests[:, -last:] > 0).sum(axis=(1, 2)).astype(float)
    bad = history.pod_bad[:, -last:].sum(axis=(1, 2))
    return requests * share, errors * share, slow * share[:, None], units, bad


def rate(events: Array, exposures: Array) -> Array:
    """A rate that is never 0: half an event more in one more exposure."""
    return (events + 0.5) / (exposures + 1.0)


def effective(plan: Plan, state: State, batch: Batch) -> Effective:
    """The scrape as evidence; an arm has no requests in it where there is nothing to compare with yet."""
    ready = (state.ref_requests > 0)[:, None]
    phi = np.stack((plan.phi, _canary_phi(plan, batch)), axis=1)
    n, k = np.where(ready, batch.requests, 0.0) / phi, batch.errors / phi
    slow = np.take_along_axis(batch.slow, plan.edges[:, None, :], axis=2).transpose(0, 2, 1)
    usable = plan.judged & (ready & _warm(plan, batch))
    n_tails = np.where(usable[..., None], batch.requests[:, None, :], 0.0)
    units = np.where((state.ref_units > 0)[:, None], batch.units, 0.0)
    return Effective(
        n=n[:, None],
        k=np.where(ready, k, 0.0)[:, None],
        level=rate(state.ref_errors, state.ref_requests),
        n_tails=n_tails[:, :, None] / plan.settings.tail_dispersion,
        k_tails=np.where(usable[..., None], slow, 0.0)[:, :, None] / plan.settings.tail_dispersion,
        tails=rate(state.ref_slow, state.ref_requests[:, None]),
        n_pods=units[:, None] / plan.phi_pods[:, None, None],
        k_pods=np.where(units > 0, batch.bad, 0.0)[:, None] / plan.phi_pods[:, None, None],
        bad=rate(state.ref_bad, state.ref_units),
    )


def _canary_phi(plan: Plan, batch: Batch) -> Array:
    per_pod = batch.requests[:, CANARY] / np.maximum(batch.pods[:, CANARY], 1.0)
    scaled = canary_dispersion(plan.phi, per_pod, plan.pod_requests)
    known = (plan.pod_requests > 0) & (batch.pods[:, CANARY] > 0)
    return np.where(known, scaled, plan.phi)


def _warm(plan: Plan, batch: Batch) -> Flags:
    """[R, 1]: whether a canary pod has enough of a stable pod's requests for its latency to be judged."""
    per_pod = batch.requests / np.maximum(batch.pods, 1.0)
    gate = plan.settings.latency_gate * per_pod[:, STABLE]
    return np.asarray((per_pod[:, CANARY] >= gate)[:, None])


def remember(plan: Plan, state: State, batch: Batch) -> None:
    """Discount the references and add the scrape: after its use, so that they were known before it."""
    slow = np.take_along_axis(batch.slow[:, STABLE], plan.edges, axis=1)
    state.ref_requests = DISCOUNT * state.ref_requests + batch.requests[:, STABLE]
    state.ref_errors = DISCOUNT * state.ref_errors + batch.errors[:, STABLE]
    state.ref_slow = DISCOUNT * state.ref_slow + slow
    state.ref_units = DISCOUNT * state.ref_units + batch.units[:, STABLE]
    state.ref_bad = DISCOUNT * state.ref_bad + batch.bad[:, STABLE]
