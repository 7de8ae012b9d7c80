"""One scrape of many runs at once; the last axis of two is stable, canary. A decider is the run of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mesh.canary.evidence import Array
from mesh.canary.model import ArmSample, Observation
from mesh.canary.pods import bad_from, bad_pods

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


@dataclass
class Batch:
    """[R] runs; `slow` [R, 2, edges]; `units` pods that served, `bad` those of them with too many errors."""

    at: Array
    weight: Array
    whole: Flags
    requests: Array
    errors: Array
    slow: Array
    units: Array
    bad: Array
    pods: Array


@dataclass
class History:
    """Stable alone before the run: [R, scrapes], slow [R, scrapes, edges], pods [R, scrapes, pods]."""

    requests: Array
    errors: Array
    slow: Array
    pod_requests: Array
    pod_errors: Array
    pod_bad: Array


def of_observation(observation: Observation, slo: float) -> Batch:
    """A batch of one run."""
    arms = (observation.stable, observation.canary)
    units = [bad_pods(arm.pods.values(), slo) for arm in arms]
    return Batch(
        at=np.array([observation.at]),
        weight=np.array([observation.weight]),
        whole=np.array([observation.whole_step]),
        requests=np.array([[arm.requests for arm in arms]], dtype=float),
        errors=np.array([[arm.errors for arm in arms]], dtype=float),
        slow=np.array([[arm.slow for arm in arms]], dtype=float),
        units=np.array([[served for served, _ in units]], dtype=float),
        bad=np.array([[bad for _, bad in units]], dtype=float),
        pods=np.array([[len(arm.pods) for arm in arms]], dtype=float),
    )


def of_history(history: Sequence[ArmSample], edges: int, slo: float) -> History:
    """A history of one run; a pod that was not measured in a scrape had no requests in it."""
    names = sorted({name for sample in history for name in sample.pods})
    column = {name: number for number, name in enumerate(names)}
    pods = np.zeros((3, 1, len(history), len(names)))
    for row, sample in enumerate(history):
        for name, pod in sample.pods.items():
            bad = pod.requests > 0 and pod.errors >= bad_from(pod.requests, slo)
            pods[:, 0, row, column[name]] = pod.requests, pod.errors, bad
    return History(
        requests=np.array([[sample.requests for sample in history]], dtype=float),
        errors=np.array([[sample.errors for sample in history]], dtype=float),
        slow=np.array([[sample.slow for sample in history]], dtype=float).reshape(1, len(history), edges),
        pod_requests=pods[0],
        pod_errors=pods[1],
        pod_bad=pods[2],
    )
