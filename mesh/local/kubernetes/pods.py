"""Runs the Pods that are bound to this node, as a kubelet does, and says how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.types import PatchType

from mesh.local.kubernetes import reading
from mesh.local.kubernetes.kinds import POD, POD_STATUS
from mesh.local.kubernetes.reflector import UNANSWERED, Key
from mesh.local.kubernetes.status import Process, Seen, status
from mesh.local.model import Json
from mesh.local.runtime.controller import RETRY_S
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.jobs import JobRun
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.running_pods import RunningPods
from mesh.local.runtime.workload import Key as WorkloadKey
from mesh.local.runtime.workload import Workload

AGAIN_AFTER_S = 0.5
ENDED = ("Succeeded", "Failed")
OVERDUE: Json = {
    "phase": "Failed",
    "reason": "DeadlineExceeded",
    "message": "it ran longer than its activeDeadlineSeconds",
}


class BoundPods:
    """Keeps what runs as the API server has it: `bound` are the Pods of this node, by namespace and name.

    Which those are, a scheduler decides; how many, a Deployment's controller: nothing is waited for here.
    """

    def __init__(self, running: RunningPods, report: Callable[[str], None]) -> None:
        self.pods = running.pods
        self.jobs: dict[WorkloadKey, JobRun] = {}
        self.wanted: list[Workload] = []
        self.bound: Mapping[Key, Json] = {}
        self._running, self._report = running, report
        self._uids: dict[str, str] = {}
        self._told: dict[str, Json] = {}  # the status that was last written, by uid
        self._overdue: set[str] = set()  # those that ran longer than they may, by uid
        self._changed = asyncio.Event()
        self._closing = False
        running.ended = running.gone = lambda _: self.reconcile()

    def want(self, config: Any, overrides: Mapping[str, Any]) -> None:
        """What they are made of may have changed: those that could not be made get another chance."""
        for pod in [pod for pod in self.pods.values() if pod.failure and not pod.stopping]:
            self._running.remove(pod)
        self.reconcile()

    def reconcile(self) -> None:
        """Start and stop what differs; what the server does not know yet is told to it."""
        if self._closing:
            return
        bound = {f"{namespace}/{name}": body for (namespace, name), body in self.bound.items()}
        for key, pod in list(self.pods.items()):
            body = bound.get(key)
            if body is None or _uid(body) != self._uids[key] or body["metadata"].get("deletionTimestamp"):
                self._stop(pod)
        for key, body in bound.items():
            if key not in self.pods and _is_to_run(body) and _uid(body) not in self._overdue:
                self._start(key, body)
        self._changed.set()

    def replace(self, key: str) -> None:
        """Raises MeshError: whoever made the pod makes another."""
        raise MeshError(f"a Kubernetes keeps pod {key}: kubectl delete pod replaces it")

    def count(self, counts: Mapping[WorkloadKey, int]) -> None:
        """Nothing: a Kubernetes scales what it keeps."""

    def create_job(self, namespace: str, cron: str, name: str) -> None:
        """Raises MeshError: a Kubernetes makes Jobs."""
        raise MeshError("a Kubernetes makes Jobs: kubectl create job --from=cronjob/NAME")

    def done(self, workload: Workload) -> bool:
        return False

    def of(self, workload: Workload) -> list[Pod]:
        return []

    async def stop(self) -> None:
        """End every process; for the server they go on, as those of a node that is started again."""
        self._closing = True
        await self._running.close()

    async def tell(self, client: AsyncClient) -> None:
        """Write to the server how the pods are, whenever that has changed; for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            writes = [self._write(client, key, body) for key, body in list(self.bound.items())]
            if not all(await asyncio.gather(*writes)):
                await asyncio.sleep(AGAIN_AFTER_S)
                self._changed.set()

    def _start(self, key: str, body: Json) -> None:
        try:
            pod = self._running.start(reading.pod_manifest(body))
            self._uids[key] = _uid(body)
            if (most_s := body["spec"].get(reading.DEADLINE)) is not None:
                asyncio.get_running_loop().call_later(most_s, self._end, pod, _uid(body))
        except Exception as error:  # whatever is wrong with this one, the others go on
            self.pods.pop(key, None)
            self._report(f"pod {key}: {error or error!r}; trying again in {RETRY_S:g} s")
            asyncio.get_running_loop().call_later(RETRY_S, self.reconcile)

    def _stop(self, pod: Pod) -> None:
        """One that could not be made, or has run to its end, has nothing to be ended."""
        if pod.stopping:
            return  # it is on its way, whatever its process ends with
        if pod.over:
            self._running.remove(pod)
        else:
            self._running.stop(pod)

    def _end(self, pod: Pod, uid: str) -> None:
        """Its time is over, if it still runs."""
        if self.pods.get(pod.manifest.key) is pod and not pod.stopping and pod.phase not in ENDED:
            self._overdue.add(uid)
            self._running.stop(pod)

    async def _write(self, client: Any, key: Key, body: Json) -> bool:
        """Whether the server knows now how that pod is."""
        namespace, name = key
        pod = self.pods.get(f"{namespace}/{name}")
        if self._closing or (pod is not None and self._uids[f"{namespace}/{name}"] != _uid(body)):
            return True
        try:
            if pod is None:
                if body["metadata"].get("deletionTimestamp"):
                    await client.delete(POD, name, namespace=namespace, grace_period=0)
                    self._told.pop(_uid(body), None)
                    self._overdue.discard(_uid(body))
                elif _uid(body) in self._overdue and _is_to_run(body):
                    await self._patch(client, key, body, OVERDUE)
                return True
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            before = self._told.get(_uid(body)) or body.get("status") or {}
            said = status(body["spec"], seen(pod), before, now)
            if said != self._told.get(_uid(body)):
                await self._patch(client, key, body, said)
                self._told[_uid(body)] = said
        except UNANSWERED as error:
            return self._is_over(error, key)
        return True

    async def _patch(self, client: Any, key: Key, body: Json, said: Json) -> None:
        namespace, name = key
        patch = {"metadata": {"uid": _uid(body)}, "status": said}  # the uid is a precondition
        await client.patch(POD_STATUS, name, patch, namespace=namespace, patch_type=PatchType.STRATEGIC)

    def _is_over(self, error: Exception, key: Key) -> bool:
        """Whether there is nothing more to say about a pod: it is gone, or another has its name."""
        if isinstance(error, ApiError) and error.status.code in (404, 409):
            return True
        answer = isinstance(error, httpx2.HTTPStatusError)
        self._report(f"pod {'/'.join(key)}: its status is not written, trying again: {error or answer}")
        return False


def seen(pod: Pod) -> Seen:
    """A Pod of the mesh as its status has to tell it."""
    processes = {
        one.definition.name: Process(
            one.state, one.reason, one.ready, one.restarts, one.exit_code, one.last_words
        )
        for one in pod.every_container()
    }
    names = {one["name"] for one in pod.manifest.spec["containers"]}
    started = datetime.fromtimestamp(pod.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    initialised = not pod.manifest.spec.get("initContainers") or bool(names & processes.keys())
    return Seen(pod.phase, pod.place.addresses.pod, pod.ready, initialised, started, pod.failure, processes)


def _is_to_run(body: Json) -> bool:
    ended = (body.get("status") or {}).get("phase") in ENDED
    return not ended and not body["metadata"].get("deletionTimestamp")


def _uid(body: Json) -> str:
    return str(body["metadata"]["uid"])
