"""What to start and stop so that a Deployment becomes what its manifest says (pure).

At most one pod more than wanted during a change, never one ready pod fewer: the effect of Kubernetes'
`maxSurge: 1, maxUnavailable: 0`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SURGE = 1


@dataclass(frozen=True)
class Seen:
    """A pod of the Deployment as it is now; one `unwanted` is to be replaced, whatever its template."""

    key: str
    hash: str
    ordinal: int
    ready: bool
    stopping: bool
    unwanted: bool = False


@dataclass(frozen=True)
class Plan:
    """Ordinals to start with the new template, keys of pods to stop."""

    start: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()


def plan(replicas: int, template_hash: str, seen: Sequence[Seen]) -> Plan:
    """The next moves; made again whenever a pod changes, until it says nothing."""
    alive = [pod for pod in seen if not pod.stopping]
    new = [pod for pod in alive if pod.hash == template_hash and not pod.unwanted]
    old = [pod for pod in alive if pod not in new]
    missing = max(0, replicas - len(new))
    room = max(0, replicas + SURGE - len(alive)) if old else missing
    taken = {pod.ordinal for pod in seen if pod.hash == template_hash}
    free = (ordinal for ordinal in range(len(taken) + missing) if ordinal not in taken)
    start = tuple(next(free) for _ in range(min(missing, room)))
    surplus = sorted(new, key=lambda pod: (pod.ready, -pod.ordinal))[: max(0, len(new) - replicas)]
    kept = [pod for pod in new if pod not in surplus]
    return Plan(start, tuple(pod.key for pod in (*surplus, *_outdated(replicas, kept, old))))


def _outdated(replicas: int, new: Sequence[Seen], old: Sequence[Seen]) -> list[Seen]:
    """Old pods that are not needed any more: those that are not ready, and those that are replaced."""
    unready = [pod for pod in old if not pod.ready]
    ready = sorted((pod for pod in old if pod.ready), key=lambda pod: pod.key)
    spare = sum(pod.ready for pod in new) + len(ready) - replicas
    return [*unready, *ready[: max(0, spare)]]
