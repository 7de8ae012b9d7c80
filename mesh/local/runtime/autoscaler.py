"""Keeps the number of pods as HorizontalPodAutoscalers want it, by what their processes use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import psutil

from mesh.local.model import Json, Resource
from mesh.local.quantity import quantity
from mesh.local.runtime.overrides import reference
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.scaling import History, Use, Verdict, decide
from mesh.local.runtime.workload import Key, Workload

PERIOD_S = 15.0  # Kubernetes'
BY_HAND = "`mesh scale` has the word; `mesh reset` gives it back"


class Scaled(Protocol):
    """Who keeps the pods that are counted."""

    wanted: list[Workload]

    def of(self, workload: Workload) -> list[Pod]: ...
    def count(self, counts: Mapping[Key, int]) -> None: ...


@dataclass(frozen=True)
class Sample:
    """What the processes of a pod have used: processor seconds since they began, bytes now."""

    at: float
    cpu_s: float
    memory: float


class Autoscaler:
    """`verdicts` are what it found last, by the key of a HorizontalPodAutoscaler."""

    def __init__(
        self,
        controller: Scaled,
        declared: Callable[[], Sequence[Resource]],
        overrides: Callable[[], Mapping[str, Json]],
        report: Callable[[str], None],
        period_s: float = PERIOD_S,
    ) -> None:
        self.verdicts: dict[Key, Verdict] = {}
        self._controller, self._declared, self._overrides = controller, declared, overrides
        self._report, self._period_s = report, period_s
        self._histories: dict[Key, History] = {}
        self._samples: WeakKeyDictionary[Pod, Sample] = WeakKeyDictionary()

    async def run(self) -> None:
        """Look again and again; for ever."""
        while True:
            await asyncio.sleep(self._period_s)
            await self.look()

    async def look(self) -> None:
        """Measure once, and decide."""
        scalers = self._declared()
        known = {scaler.key for scaler in scalers}
        self.verdicts = {key: verdict for key, verdict in self.verdicts.items() if key in known}
        self._histories = {key: history for key, history in self._histories.items() if key in known}
        counts: dict[Key, int] = {}
        for scaler in scalers:
            verdict = self.verdicts[scaler.key] = await self._judge(scaler)
            if verdict.replicas >= 0 and verdict.trouble != BY_HAND:
                counts[target(scaler)] = verdict.replicas
        self._controller.count(counts)

    async def _judge(self, scaler: Resource) -> Verdict:
        workload = next((one for one in self._controller.wanted if one.key == target(scaler)), None)
        if workload is None:
            return Verdict(-1, trouble=f"{scaler.spec['scaleTargetRef']['name']} does not exist")
        if "replicas" in (self._overrides().get(reference(workload.key)) or {}):
            return Verdict(workload.replicas, trouble=BY_HAND)
        pods = [pod for pod in self._controller.of(workload) if not pod.stopping]
        before = {pod: self._samples.get(pod) for pod in pods}
        for pod in pods:
            self._samples[pod] = await asyncio.to_thread(_sample, _pids(pod))
        history = self._histories.setdefault(scaler.key, History())
        verdict = decide(
            scaler.spec,
            workload.replicas,
            lambda name: [self._use(pod, before[pod], name) for pod in pods],
            history,
            time.monotonic(),
        )
        self._tell(scaler, workload, verdict)
        return verdict

    def _use(self, pod: Pod, before: Sample | None, name: str) -> Use:
        requested, missing = requests(pod.manifest.containers, name)
        now = self._samples[pod]
        used = now.memory if name == "memory" else _rate(before, now)
        return Use(pod.manifest.name, pod.ready, used, requested, missing)

    def _tell(self, scaler: Resource, workload: Workload, verdict: Verdict) -> None:
        if verdict.replicas != workload.replicas:
            metrics = ", ".join(verdict.metrics)
            self._report(
                f"autoscaler {scaler.name}: {workload.reference} in {scaler.namespace} from "
                f"{workload.replicas} to {verdict.replicas} pods ({metrics})"
            )
        old = self.verdicts.get(scaler.key)
        if verdict.trouble and (old is None or old.trouble != verdict.trouble):
            self._report(f"autoscaler {scaler.name} in {scaler.namespace}: {verdict.trouble}")


def target(scaler: Resource) -> Key:
    """What it scales."""
    meant = scaler.spec["scaleTargetRef"]
    return meant["kind"], scaler.namespace, meant["name"]


def requests(containers: Sequence[Json], name: str) -> tuple[float | None, str]:
    """What the containers request together; None and the first that requests nothing."""
    found = 0.0
    for container in containers:
        sizes = container.get("resources") or {}
        limit = (sizes.get("limits") or {}).get(name)  # also the request, where that is not written
        written = (sizes.get("requests") or {}).get(name, limit)
        if written is None:
            return None, container["name"]
        found += quantity(written)
    return found, ""


def _rate(before: Sample | None, now: Sample) -> float | None:
    """Processors in use between two looks; None where one of them is missing or a process began anew."""
    if before is None or now.at <= before.at or now.cpu_s < before.cpu_s:
        return None
    return (now.cpu_s - before.cpu_s) / (now.at - before.at)


def _pids(pod: Pod) -> list[int]:
    containers = (*pod.beside, *pod.containers)
    return [container.pid for container in containers if container.pid is not None]


def _sample(pids: Sequence[int]) -> Sample:
    """What these processes and all below them have used; ended ones count with whoever waited for them."""
    cpu_s = memory = 0.0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            for member in (process, *process.children(recursive=True)):
                times = member.cpu_times()
                cpu_s += times.user + times.system + times.children_user + times.children_system
                memory += member.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return Sample(time.monotonic(), cpu_s, memory)
