"""A pod in a scrape as the unit: a burst of errors is one bad pod, however many requests it takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mesh.canary.model import PodSample

# A pod that just meets the objective is called bad this often.
QUANTILE = 0.01
# One pod of so many is the culprit when it has so much of all errors, and these are no accident.
CULPRIT_PODS, CULPRIT_SHARE, CULPRIT_ERRORS = 3, 0.8, 5


@lru_cache(maxsize=65_536)
def bad_from(requests: int, slo: float) -> int:
    """The errors among `requests` from which a pod is bad: binom.isf(0.01, requests, slo) + 1.

    isf is the smallest x with P(X > x) <= 0.01 for X binomial: summed exactly, from the far tail down.
    """
    if requests == 0:
        return 1
    spread = math.sqrt(requests * slo * (1 - slo))
    k = min(requests, int(requests * slo + 12 * spread + 20))
    log_mass = (
        math.lgamma(requests + 1)
        - math.lgamma(k + 1)
        - math.lgamma(requests - k + 1)
        + k * math.log(slo)
        + (requests - k) * math.log1p(-slo)
    )
    mass, tail = math.exp(log_mass), 0.0
    odds = (1 - slo) / slo
    while tail + mass <= QUANTILE * (1 + 1e-9):  # tail = P(X > k)
        tail += mass
        mass *= k / (requests - k + 1) * odds
        k -= 1
    return k + 1


def bad_pods(pods: Iterable[PodSample], slo: float) -> tuple[int, int]:
    """(pods that answered anything, those of them that are bad)."""
    served = [pod for pod in pods if pod.requests]
    return len(served), sum(pod.errors >= bad_from(pod.requests, slo) for pod in served)


def culprit(pods: Mapping[str, PodSample]) -> str | None:
    """The one canary pod to replace before the version is blamed; None where errors are spread or few.

    `pods` are sums over the scrapes of a step. A policy, not a test: a bad node is no bad version.
    """
    total = sum(pod.errors for pod in pods.values())
    if len(pods) < CULPRIT_PODS or total < CULPRIT_ERRORS:
        return None
    name, worst = max(pods.items(), key=lambda item: item[1].errors)
    return name if worst.errors > CULPRIT_SHARE * total else None
