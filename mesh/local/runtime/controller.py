"""Turns Deployments, StatefulSets, Jobs and their like into Pods, and keeps them so.

Level-triggered: `reconcile` looks at what is wanted and what runs and makes the next moves, and is
called whenever either has changed. What runs a Pod knows nothing of this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mesh.local.model import Config
from mesh.local.runtime import ordered, rollout
from mesh.local.runtime.cron import CronJobs
from mesh.local.runtime.errors import MeshError, NotFound
from mesh.local.runtime.job_pods import ENDED, JobPods
from mesh.local.runtime.order import may_start
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.rollout import Plan, Seen
from mesh.local.runtime.running_pods import RunningPods
from mesh.local.runtime.workload import Key, Workload, workloads
from mesh.local.templates import LASTING

RETRY_S = 5.0
PATIENCE_S = 15.0  # then what is optional starts beside the rest, which may need to be looked at


class Controller:
    """Keeps the pods that `running` runs as the workloads want them."""

    def __init__(self, running: RunningPods, report: Callable[[str], None]) -> None:
        self.pods = running.pods
        self.wanted: list[Workload] = []
        self.counts: dict[Key, int] = {}  # how many pods is decided by what they use
        self._config = Config([])
        self._overrides: Mapping[str, Any] = {}
        self._running = running
        self._report = report
        self._job_pods = JobPods(running, self.of, self._start, self._remove, self.reconcile, report)
        self.jobs = self._job_pods.runs
        self.cron = CronJobs(lambda: self.jobs, report)
        self._timer: asyncio.TimerHandle | None = None
        self._released: set[Key] = set()
        self._owners: dict[str, Key] = {}
        self._closing = False
        self._began: float | None = None
        running.ended, running.gone = self._ended, self._gone

    def want(self, config: Any, overrides: Mapping[str, Any]) -> None:
        """Take over what is declared now. Pods that could not be run get another chance."""
        if self._began is None:
            self._began = time.monotonic()
            asyncio.get_running_loop().call_later(PATIENCE_S, self.reconcile)
        self._config, self._overrides = config, overrides
        self.wanted = workloads(config, overrides, self.counts)
        for pod in list(self.pods.values()):
            again = self._owners[pod.manifest.key][0] != "Job" and (pod.failure or self._lasts(pod))
            if _has_failed(pod) and again and not pod.expired:
                self._remove(pod)
        self.reconcile()

    def count(self, counts: Mapping[Key, int]) -> None:
        """Take over how many pods the workloads that are scaled by themselves are to have."""
        if counts != self.counts:
            self.counts = dict(counts)
            self.wanted = workloads(self._config, self._overrides, self.counts)
            self.reconcile()

    def reconcile(self) -> None:
        """Make the next moves towards what is wanted."""
        if self._closing:
            return
        self._look_at_the_clock()
        made = self.cron.workloads
        known = {workload.key for workload in (*self.wanted, *made)}
        self._released &= known
        self._job_pods.keep_only(known)
        for pod in list(self.pods.values()):
            if self._owners[pod.manifest.key] not in known:
                self._running.stop(pod)
        for workload in self.wanted:
            if workload.key not in self._released and self._may_start(workload):
                self._released.add(workload.key)
            if workload.key in self._released:
                self._move(workload)
        for workload in made:
            self._job_pods.reconcile(workload)

    def _look_at_the_clock(self) -> None:
        wait_s = self.cron.look(self._config.of("CronJob"), datetime.now(UTC))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait_s is not None:
            self._timer = asyncio.get_running_loop().call_later(wait_s + 0.01, self.reconcile)

    def _move(self, workload: Workload) -> None:
        if workload.kind == "Job":
            self._job_pods.reconcile(workload)
            return
        plan = self._plan(workload)
        for ordinal in plan.start:
            self._start(workload, ordinal)
        for key in plan.stop:
            self._running.stop(self.pods[key])

    def _may_start(self, workload: Workload) -> bool:
        late = self._began is not None and time.monotonic() - self._began >= PATIENCE_S
        return (workload.optional and late) or may_start(workload, self.wanted, self.done)

    def create_job(self, namespace: str, cron: str, name: str) -> None:
        """Run a Job of a CronJob now. Raises NotFound, Conflict."""
        found = self._config.get("CronJob", namespace, cron)
        if found is None:
            raise NotFound(f'cronjob "{cron}" not found in namespace {namespace}')
        self.cron.create(found, name)
        self.reconcile()

    def replace(self, key: str) -> None:
        """Let another pod be made instead of one; a Deployment's ends once that is ready, if it is itself.

        Raises NotFound, MeshError for the pod of a Job.
        """
        pod = self.pods.get(key)
        if pod is None:
            namespace, _, name = key.partition("/")
            raise NotFound(f'pod "{name}" not found in namespace {namespace}')
        if not self._lasts(pod):
            raise MeshError(f"pod {key} is of a {self._owners[key][0]}, which makes no other")
        pod.unwanted = True
        if _has_failed(pod):
            self._remove(pod)
        self.reconcile()

    def done(self, workload: Workload) -> bool:
        """Whether a Job has succeeded, or what lasts is ready in its newest form."""
        if workload.kind == "Job":
            run = self.jobs.get(workload.key)
            suspended = bool(workload.resource.spec.get("suspend"))
            return suspended or (run is not None and run.hash == workload.hash and run.state == "Succeeded")
        kept = [pod for pod in self.of(workload) if not pod.unwanted and self._is_new(pod, workload)]
        fine = [pod for pod in kept if self._available(pod, workload) or _has_done(pod, workload)]
        return workload.key in self._released and len(fine) >= workload.replicas

    def of(self, workload: Workload) -> list[Pod]:
        return [pod for pod in self.pods.values() if self._owners[pod.manifest.key] == workload.key]

    async def stop(self) -> None:
        """End every Pod."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        await self._running.close()

    def _plan(self, workload: Workload) -> Plan:
        for pod in self.of(workload):
            if pod.ready and (rest_s := _rest_s(pod, workload)) > 0:
                asyncio.get_running_loop().call_later(rest_s + 0.01, pod.changed)
        seen = [
            Seen(
                pod.manifest.key,
                pod.manifest.hash,
                0 if workload.kind == "Pod" else _ordinal(pod),
                self._available(pod, workload) or _has_done(pod, workload),
                # One that could not be run keeps its place until it is tried again.
                pod.stopping or (pod.phase == "Failed" and workload.kind != "Pod" and not pod.failure),
                pod.unwanted,
            )
            for pod in self.of(workload)
        ]
        resource, count = workload.resource, workload.replicas
        if workload.kind == "StatefulSet":
            return ordered.plan(ordered.rules(resource, count), workload.hash, seen)
        if workload.kind == "Pod":
            return ordered.plan(ordered.Rules(1), workload.hash, seen)
        return rollout.plan(count, workload.hash, seen, rollout.room(resource, count))

    def _available(self, pod: Pod, workload: Workload) -> bool:
        return pod.ready and _rest_s(pod, workload) <= 0

    def _is_new(self, pod: Pod, workload: Workload) -> bool:
        if pod.manifest.hash == workload.hash or workload.kind != "StatefulSet":
            return pod.manifest.hash == workload.hash
        rules = ordered.rules(workload.resource, workload.replicas)
        return rules.on_delete or _ordinal(pod) < rules.partition

    def _lasts(self, pod: Pod) -> bool:
        return self._owners[pod.manifest.key][0] in LASTING

    def _start(self, workload: Workload, ordinal: int, index: int | None = None) -> None:
        manifest = workload.pod(ordinal, index)
        self._owners[manifest.key] = workload.key
        try:
            self._running.start(manifest)
        except (MeshError, OSError) as error:  # no address is left, or no space on the disk
            self._report(f"pod {manifest.key}: {error}; trying again in {RETRY_S:g} s")
            asyncio.get_running_loop().call_later(RETRY_S, self.reconcile)
            return
        if (most_s := manifest.spec.get("activeDeadlineSeconds")) is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(most_s, self._running.expire, manifest.key, self.pods[manifest.key])

    def _ended(self, pod: Pod) -> None:
        key = self._owners[pod.manifest.key]
        others = [
            other
            for other in self.pods.values()
            if other is not pod and self._owners[other.manifest.key] == key and not other.over
        ]
        self._job_pods.ended(key, pod, len(others))
        if pod.failure and self._lasts(pod):
            asyncio.get_running_loop().call_later(RETRY_S, self._try_again, pod)
        self.reconcile()

    def _try_again(self, pod: Pod) -> None:
        if self.pods.get(pod.manifest.key) is pod and _has_failed(pod) and not self._closing:
            self._remove(pod)
            self.reconcile()

    def _gone(self, pod: Pod) -> None:
        self._owners.pop(pod.manifest.key, None)
        self.reconcile()

    def _remove(self, pod: Pod) -> None:
        self._running.remove(pod)
        self._owners.pop(pod.manifest.key, None)


def _rest_s(pod: Pod, workload: Workload) -> float:
    """How long it has still to be ready, as its workload demands."""
    least_s = float(workload.resource.spec.get("minReadySeconds") or 0)
    return least_s - (time.time() - (pod.ready_since or time.time())) if least_s else 0.0


def _has_failed(pod: Pod) -> bool:
    """Whether it has failed and nothing is left of it that ends; then its name and its place are free."""
    return pod.phase == "Failed" and pod.over and not pod.stopping


def _has_done(pod: Pod, workload: Workload) -> bool:
    """Whether a Pod that nobody keeps has run to its end."""
    return workload.kind == "Pod" and pod.phase in ENDED and not pod.failure


def _ordinal(pod: Pod) -> int:
    """What its name ends with; a Pod that nobody keeps has none."""
    last = pod.manifest.name.rpartition("-")[2]
    return int(last) if last.isdigit() else 0
