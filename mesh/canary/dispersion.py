"""How strongly errors cluster: the dispersion phi of stable's own pods against each other.

phi = sum over windows and pods of (k_p - K s_p)^2 / sum over windows of K (1 - sum s_p^2), with K the
window's errors and s_p a pod's share of its requests; with equal shares the denominator is K (1 - 1/P). It
equals E[b^2]/E[b] for errors in batches b, and a level that moves for all pods alike does not raise it. If
errors come in batches of at most phi, dividing requests and errors by phi keeps the e-value:
r^(b/phi) <= 1 + (b/phi)(r - 1).
"""

from __future__ import annotations

import numpy as np

from mesh.canary.evidence import Array

# Windows of 15 to 90 seconds at 15 seconds a scrape: trouble within a pod is supposed to end within them.
WINDOWS = (1, 3, 6)
# Below this, clustering is taken for chance; above it, the estimate gets a margin.
NEGLIGIBLE, MARGIN = 1.5, 1.25
# Fewer events say nothing.
MIN_EVENTS = 10
MIN_PODS = 3


def dispersion(n: Array, k: Array, unmeasured: float) -> Array:
    """phi of each run from `n` exposures and `k` events of shape [runs, scrapes, pods].

    Without ten events it is `unmeasured`.
    """
    worst = np.zeros(len(n))
    for window in WINDOWS:
        worst = np.maximum(worst, _ratio(_windows(n, window), _windows(k, window)))
    phi = np.where(worst > NEGLIGIBLE, MARGIN * worst, 1.0)
    return np.where(k.sum(axis=(1, 2)) >= MIN_EVENTS, phi, unmeasured)


def over_time(n: Array, k: Array, unmeasured: float) -> float:
    """The largest phi of events `k` [scrapes, kinds] among exposures `n` [scrapes], each beside the next.

    For events that are not counted by pod: neighbours share a level that moves, and not what stalls a pod for
    a moment. Kinds with fewer than ten events say nothing; without any it is `unmeasured`.
    """
    pairs = len(n) // 2
    events = k[: 2 * pairs].T.reshape(k.shape[1], pairs, 2)
    exposures = np.broadcast_to(n[: 2 * pairs].reshape(1, pairs, 2), events.shape)
    measured = dispersion(exposures, events, 0.0)
    return float(measured.max(initial=0.0)) or unmeasured


def _windows(counts: Array, window: int) -> Array:
    runs, scrapes, pods = counts.shape
    whole = scrapes // window
    return np.asarray(counts[:, : whole * window].reshape(runs, whole, window, pods).sum(axis=2))


def _ratio(n: Array, k: Array) -> Array:
    total = n.sum(axis=2, keepdims=True)
    share = n / np.maximum(total, 1.0)
    events = k.sum(axis=2, keepdims=True)
    above = ((k - events * share) ** 2).sum(axis=(1, 2))
    below = (events[..., 0] * (1.0 - (share**2).sum(axis=2))).sum(axis=1)
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def canary_dispersion(phi: Array, per_pod: Array, history_per_pod: Array) -> Array:
    """phi of the canary: a pod's burst scales with its requests, `per_pod` against those of the history."""
    scaled = phi * per_pod / np.maximum(history_per_pod, 1e-12)
    return np.clip(scaled, 1.0, phi)
