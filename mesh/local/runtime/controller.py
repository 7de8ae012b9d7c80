"""Turns Deployments and Jobs into Pods, and keeps them so.

Level-triggered: `reconcile` looks at what is wanted and what runs and makes the next moves, and is
called whenever either has changed. What runs a Pod knows nothing of this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from mesh.local.runtime import rollout
from mesh.local.runtime.errors import MeshError, NotFound
from mesh.local.runtime.jobs import JobRun
from mesh.local.runtime.manifest import Workload, workloads
from mesh.local.runtime.order import may_start
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.running_pods import RunningPods

Key = tuple[str, str, str]

RETRY_S = 5.0
PATIENCE_S = 15.0  # then what is optional starts beside the rest, which may need to be looked at


class Controller:
    """Keeps the pods that `running` runs as Deployments and Jobs want them."""

    def __init__(self, running: RunningPods, report: Callable[[str], None]) -> None:
        self.pods = running.pods
        self.jobs: dict[Key, JobRun] = {}
        self.wanted: list[Workload] = []
        self._running = running
        self._report = report
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
        self.wanted = workloads(config, overrides)
        for pod in list(self.pods.values()):
            if pod.phase == "Failed" and self._owners[pod.manifest.key][0] == "Deployment":
                self._remove(pod)
        self.reconcile()

    def reconcile(self) -> None:
        """Make the next moves towards what is wanted."""
        if self._closing:
            return
        known = {workload.key for workload in self.wanted}
        self._released &= known
        for key in [key for key in self.jobs if key not in known]:
            del self.jobs[key]
        for pod in list(self.pods.values()):
            if self._owners[pod.manifest.key] not in known:
                self._running.stop(pod)
        for workload in self.wanted:
            if workload.key not in self._released and self._may_start(workload):
                self._released.add(workload.key)
            if workload.key in self._released:
                self._reconcile_job(workload) if workload.resource.kind == "Job" else self._roll(workload)

    def _may_start(self, workload: Workload) -> bool:
        late = self._began is not None and time.monotonic() - self._began >= PATIENCE_S
        return (workload.optional and late) or may_start(workload, self.wanted, self.done)

    def replace(self, key: str) -> None:
        """Let a Deployment make another pod instead of one, which ends once that is ready, if it is itself.

        Raises NotFound, MeshError for the pod of a Job.
        """
        pod = self.pods.get(key)
        if pod is None:
            namespace, _, name = key.partition("/")
            raise NotFound(f'pod "{name}" not found in namespace {namespace}')
        if self._owners[key][0] != "Deployment":
            raise MeshError(f"pod {key} is of a Job, which makes no other")
        pod.unwanted = True
        if pod.phase == "Failed":
            self._remove(pod)
        self.reconcile()

    def done(self, workload: Workload) -> bool:
        """Whether a Job has succeeded, or a Deployment is ready in its newest form."""
        if workload.resource.kind == "Job":
            run = self.jobs.get(workload.key)
            return run is not None and run.hash == workload.hash and run.state == "Succeeded"
        kept = [pod for pod in self.of(workload) if not pod.unwanted]
        ready = [pod for pod in kept if pod.ready and pod.manifest.hash == workload.hash]
        return workload.key in self._released and len(ready) >= workload.replicas

    def of(self, workload: Workload) -> list[Pod]:
        return [pod for pod in self.pods.values() if self._owners[pod.manifest.key] == workload.key]

    async def stop(self) -> None:
        """End every Pod."""
        self._closing = True
        await self._running.close()

    def _roll(self, workload: Workload) -> None:
        pods = self.of(workload)
        seen = [
            rollout.Seen(
                pod.manifest.key,
                pod.manifest.hash,
                _ordinal(pod),
                pod.ready,
                pod.stopping or pod.phase == "Failed",
                pod.unwanted,
            )
            for pod in pods
        ]
        moves = rollout.plan(workload.replicas, workload.hash, seen)
        for ordinal in moves.start:
            self._start(workload, ordinal)
        for key in moves.stop:
            self._running.stop(self.pods[key])

    def _reconcile_job(self, workload: Workload) -> None:
        run = self.jobs.get(workload.key)
        if run is None or run.hash != workload.hash:
            run = self.jobs[workload.key] = JobRun.begin(workload.hash, workload.resource.spec)
        active = [pod for pod in self.of(workload) if pod.phase in ("Pending", "Running")]
        for pod in active:
            if pod.manifest.hash != run.hash or run.late:
                self._running.stop(pod)
        if run.state == "Pending" and not active:
            pause_s = run.not_before - time.monotonic()
            if pause_s > 0:
                asyncio.get_running_loop().call_later(pause_s, self.reconcile)
            else:
                for pod in self.of(workload):
                    self._remove(pod)
                self._start(workload, run.attempts)

    def _start(self, workload: Workload, ordinal: int) -> None:
        manifest = workload.pod(ordinal)
        self._owners[manifest.key] = workload.key
        try:
            self._running.start(manifest)
        except (MeshError, OSError) as error:  # no address is left, or no space on the disk
            self._report(f"pod {manifest.key}: {error}; trying again in {RETRY_S:g} s")
            asyncio.get_running_loop().call_later(RETRY_S, self.reconcile)

    def _ended(self, pod: Pod) -> None:
        key = pod.manifest.key
        run = self.jobs.get(self._owners[key])
        if run is not None and run.hash == pod.manifest.hash and not pod.stopping:
            pause_s = run.ended(pod.phase)
            if run.state == "Failed":
                self._report(f"job {pod.manifest.workload} has failed after {run.attempts} attempts")
            elif pause_s:
                self._report(f"pod {key} failed; trying again in {pause_s:g} s")
        self.reconcile()

    def _gone(self, pod: Pod) -> None:
        self._owners.pop(pod.manifest.key, None)
        self.reconcile()

    def _remove(self, pod: Pod) -> None:
        self._running.remove(pod)
        self._owners.pop(pod.manifest.key, None)


def _ordinal(pod: Pod) -> int:
    return int(pod.manifest.name.rpartition("-")[2])
