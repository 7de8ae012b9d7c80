"""What to start and stop so that a StatefulSet becomes what its manifest says (pure).

Each pod keeps its name, so that a new one begins only when the old one has ended. In order: the next one
starts when those below it are ready, the highest one ends first, a change begins at the highest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mesh.local.model import Resource
from mesh.local.runtime.rollout import Plan, Seen


@dataclass(frozen=True)
class Rules:
    """What a StatefulSet says about its pods; those below `partition` keep the template they have."""

    replicas: int
    first: int = 0
    parallel: bool = False
    on_delete: bool = False
    partition: int = 0

    @property
    def ordinals(self) -> range:
        return range(self.first, self.first + self.replicas)


def rules(resource: Resource, replicas: int) -> Rules:
    spec = resource.spec
    strategy = spec.get("updateStrategy") or {}
    return Rules(
        replicas,
        (spec.get("ordinals") or {}).get("start", 0),
        spec.get("podManagementPolicy") == "Parallel",
        strategy.get("type") == "OnDelete",
        (strategy.get("rollingUpdate") or {}).get("partition", 0),
    )


def plan(rules: Rules, template_hash: str, seen: Sequence[Seen]) -> Plan:
    """The next moves; made again whenever a pod changes, until it says nothing."""
    there = {pod.ordinal: pod for pod in seen}
    alive = {ordinal: pod for ordinal, pod in there.items() if not pod.stopping}
    missing = [ordinal for ordinal in rules.ordinals if ordinal not in there]
    surplus = sorted((ordinal for ordinal in alive if ordinal not in rules.ordinals), reverse=True)
    outdated = list(_outdated(rules, template_hash, alive))
    if rules.parallel:
        gone = [*surplus, *outdated[: _may_leave(rules, there, alive)]]
        return Plan(tuple(missing), tuple(alive[ordinal].key for ordinal in gone))
    if any(pod.stopping for pod in seen):
        return Plan()
    # One that will not become ready as it is must not keep its better form from coming.
    broken = [ordinal for ordinal in outdated if not alive[ordinal].ready]
    unready = [ordinal for ordinal in rules.ordinals if ordinal in alive and not alive[ordinal].ready]
    if broken:
        return Plan(stop=(alive[broken[0]].key,))
    if missing and not any(ordinal < missing[0] for ordinal in unready):
        return Plan(start=(missing[0],))
    if unready or missing:
        return Plan()
    nexts = surplus or outdated
    return Plan(stop=tuple(alive[ordinal].key for ordinal in nexts[:1]))


def _outdated(rules: Rules, template_hash: str, alive: dict[int, Seen]) -> Iterator[int]:
    """Ordinals of pods that are to be replaced, the highest first."""
    for ordinal in sorted(set(alive) & set(rules.ordinals), reverse=True):
        pod = alive[ordinal]
        changed = pod.hash != template_hash and ordinal >= rules.partition and not rules.on_delete
        if pod.unwanted or changed:
            yield ordinal


def _may_leave(rules: Rules, there: dict[int, Seen], alive: dict[int, Seen]) -> int:
    """How many may be replaced at once: one, when all are there and ready."""
    wanted = [alive.get(ordinal) for ordinal in rules.ordinals]
    whole = len(there) >= rules.replicas and all(pod is not None and pod.ready for pod in wanted)
    broken = any(pod is not None and not pod.ready for pod in wanted)
    return 1 if whole or broken else 0
