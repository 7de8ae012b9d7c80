"""Makes the Pods of Jobs, and takes down how they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Protocol

from mesh.local.runtime.jobs import JobRun
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.running_pods import RunningPods
from mesh.local.runtime.workload import INDEX, Key, Workload

ENDED = ("Succeeded", "Failed")


class Start(Protocol):
    def __call__(self, workload: Workload, ordinal: int, index: int | None = None) -> None: ...


class JobPods:
    """`runs` are how far the Jobs are; `again` lets the whole be looked at once more."""

    def __init__(
        self,
        running: RunningPods,
        of: Callable[[Workload], list[Pod]],
        start: Start,
        remove: Callable[[Pod], None],
        again: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self.runs: dict[Key, JobRun] = {}
        self._running, self._of, self._start = running, of, start
        self._remove, self._again, self._report = remove, again, report
        self._timers: dict[Key, asyncio.TimerHandle] = {}  # until what has ended is shown no more

    def keep_only(self, known: Collection[Key]) -> None:
        for key in [key for key in self.runs if key not in known]:
            del self.runs[key]
            self._untimed(key)

    def reconcile(self, workload: Workload) -> None:
        """Make the next moves of one Job."""
        run = self._run(workload)
        pods = self._of(workload)
        # One whose sidecar still ends has not been taken down: its index is not free yet.
        active = [pod for pod in pods if not pod.over]
        suspended = bool(workload.resource.spec.get("suspend"))
        if run.late and run.state == "Pending":
            run.expire()
            self._report(f"job {workload.resource.name} has failed: it ran longer than it may")
        for pod in active:
            if pod.manifest.hash != run.hash or suspended or run.state != "Pending":
                self._running.stop(pod)
        self._hide_when_due(workload, run)
        if suspended or any(pod.stopping for pod in pods):  # the next may have the name of one that goes
            return
        pause_s = run.not_before - time.monotonic()
        if pause_s > 0:
            asyncio.get_running_loop().call_later(pause_s, self._again)
            return
        for index in run.starts([_index(pod) for pod in active]):
            for pod in self._of(workload):
                if pod.over and not pod.stopping:
                    self._remove(pod)
            run.attempts += 1
            self._start(workload, run.attempts - 1, index)

    def ended(self, key: Key, pod: Pod, others: int) -> None:
        """A pod has ended beside `others` of its Job."""
        run = self.runs.get(key)
        if run is None or run.hash != pod.manifest.hash or pod.stopping or run.state != "Pending":
            return
        pause_s = run.ended(pod.phase, _index(pod), others)
        if run.has_failed:
            self._report(f"job {pod.manifest.workload} has failed after {run.failures} attempts")
        elif pause_s:
            self._report(f"pod {pod.manifest.key} failed; trying again in {pause_s:g} s")

    def _hide_when_due(self, workload: Workload, run: JobRun) -> None:
        """Take the pods away of one that is to be seen no more; it stays done, and does not run again."""
        self._untimed(workload.key)
        rest_s = run.shown_s(workload.resource.spec)
        if rest_s:
            timer = asyncio.get_running_loop().call_later(rest_s + 0.01, self._again)
            self._timers[workload.key] = timer
        elif rest_s is not None:
            for pod in self._of(workload):
                if pod.over and not pod.stopping:
                    self._remove(pod)

    def _untimed(self, key: Key) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def _run(self, workload: Workload) -> JobRun:
        run = self.runs.get(workload.key)
        if run is None or run.hash != workload.hash:
            run = self.runs[workload.key] = JobRun.begin(workload.hash, workload.resource.spec)
            if run.deadline is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(run.deadline - time.monotonic() + 0.01, self._again)
        return run


def _index(pod: Pod) -> int | None:
    written = pod.manifest.annotations.get(INDEX)
    return None if written is None else int(written)
