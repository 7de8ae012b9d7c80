"""What to start and stop so that a Deployment becomes what its manifest says (pure).

Where the manifest says nothing, at most one pod more than wanted during a change and never one ready pod
fewer: `maxSurge: 1, maxUnavailable: 0`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.local.model import Resource

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


@dataclass(frozen=True)
class Room:
    """How far a change may go: pods above the wanted number, ready pods below it; all old ones at once."""

    surge: int = SURGE
    unavailable: int = 0
    recreate: bool = False


def room(resource: Resource, replicas: int) -> Room:
    """What a workload allows during a change."""
    if resource.kind == "DaemonSet":
        rolling = (resource.spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        surge, unavailable = rolling.get("maxSurge", 0), rolling.get("maxUnavailable", 1)
        return _moving(Room(_up(surge, replicas), _up(unavailable, replicas)))
    strategy = resource.spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Room(0, replicas, recreate=True)
    rolling = strategy.get("rollingUpdate") or {}
    surge, unavailable = rolling.get("maxSurge", SURGE), rolling.get("maxUnavailable", 0)
    return _moving(Room(_up(surge, replicas), _down(unavailable, replicas)))


def _moving(found: Room) -> Room:
    """Percentages may come to nothing, and a change that may neither add nor take away would never begin."""
    return found if found.surge or found.unavailable else Room(0, 1)


def _up(share: int | str, replicas: int) -> int:
    return share if isinstance(share, int) else math.ceil(replicas * int(share.rstrip("%")) / 100)


def _down(share: int | str, replicas: int) -> int:
    return share if isinstance(share, int) else replicas * int(share.rstrip("%")) // 100


def plan(replicas: int, template_hash: str, seen: Sequence[Seen], room: Room = Room()) -> Plan:
    """The next moves; made again whenever a pod changes, until it says nothing."""
    alive = [pod for pod in seen if not pod.stopping]
    new = [pod for pod in alive if pod.hash == template_hash and not pod.unwanted]
    old = [pod for pod in alive if pod not in new]
    missing = max(0, replicas - len(new))
    free_places = max(0, replicas + room.surge - len(alive)) if old else missing
    if room.recreate and any(pod.hash != template_hash for pod in seen):
        free_places = 0  # not before the last of the old ones has ended
    taken = {pod.ordinal for pod in seen if pod.hash == template_hash}
    free = (ordinal for ordinal in range(len(taken) + missing) if ordinal not in taken)
    start = tuple(next(free) for _ in range(min(missing, free_places)))
    surplus = sorted(new, key=lambda pod: (pod.ready, -pod.ordinal))[: max(0, len(new) - replicas)]
    kept = [pod for pod in new if pod not in surplus]
    least = 0 if room.recreate else replicas - room.unavailable
    return Plan(start, tuple(pod.key for pod in (*surplus, *_outdated(least, kept, old))))


def _outdated(least: int, new: Sequence[Seen], old: Sequence[Seen]) -> list[Seen]:
    """Old pods that are not needed any more: those that are not ready, and those that are replaced."""
    unready = [pod for pod in old if not pod.ready]
    ready = sorted((pod for pod in old if pod.ready), key=lambda pod: pod.key)
    spare = sum(pod.ready for pod in new) + len(ready) - least
    return [*unready, *ready[: max(0, spare)]]
