"""The Pods that run: each started at a place of its own, ended in order, its place given back.

What is to run, whoever keeps them decides: this runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mesh.local.runtime.errors import DeliveryFailed, MeshError
from mesh.local.runtime.manifest import PodManifest, Refused
from mesh.local.runtime.pod import Pod


class RunningPods:
    """Pods by key (`namespace/name`); `make` gives a Pod its place, `release` takes it back.

    `leave` brings it into force that nobody sends requests to a Pod any more. Whoever keeps the pods is told
    by `ended` when one has run to its end or could not be run, and by `gone` when its place is free again.
    """

    def __init__(
        self,
        make: Callable[[PodManifest], Pod],
        release: Callable[[Pod], None],
        leave: Callable[[], Any],
        report: Callable[[str], None],
    ) -> None:
        self.pods: dict[str, Pod] = {}
        self.ended: Callable[[Pod], None] = _nobody
        self.gone: Callable[[Pod], None] = _nobody
        self._make = make
        self._release = release
        self._leave = leave
        self._report = report
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._stops: set[asyncio.Task[None]] = set()

    def start(self, manifest: PodManifest) -> Pod:
        """Raises MeshError, OSError: no address is left, or no space on the disk."""
        pod = self.pods[manifest.key] = self._make(manifest)
        task = asyncio.create_task(self._run(pod), name=f"pod {manifest.key}")
        task.add_done_callback(self._failed)
        self._runs[manifest.key] = task
        return pod

    def stop(self, pod: Pod) -> None:
        """End it in order; at once nobody counts on it."""
        if not pod.stopping:
            pod.stopping = True
            task = asyncio.create_task(self._retire(pod), name=f"stop {pod.manifest.key}")
            task.add_done_callback(self._failed)
            self._stops.add(task)
            task.add_done_callback(self._stops.discard)

    def expire(self, key: str, pod: Pod) -> None:
        """Its time is over, if it still runs."""
        if self.pods.get(key) is pod and not pod.stopping and pod.phase not in ("Succeeded", "Failed"):
            task = asyncio.create_task(pod.expire(), name=f"expire {key}")
            task.add_done_callback(self._failed)
            self._stops.add(task)
            task.add_done_callback(self._stops.discard)

    def remove(self, pod: Pod) -> None:
        """Forget one that runs no more, with its files but for the logs."""
        key = pod.manifest.key
        if self.pods.get(key) is not pod:
            return  # another has its name and its folder by now
        self.pods.pop(key)
        self._runs.pop(key, None)
        pod.remove()
        self._release(pod)

    async def close(self) -> None:
        """End every Pod, all at once: nobody is left to send requests."""
        await asyncio.gather(*(pod.stop() for pod in self.pods.values()), return_exceptions=True)
        await asyncio.gather(*self._runs.values(), *self._stops, return_exceptions=True)

    async def _run(self, pod: Pod) -> None:
        try:
            await pod.run()
        except (Refused, MeshError, OSError) as error:
            self._report(f"pod {pod.manifest.key}: {error}")
            pod.phase, pod.failure = "Failed", str(error)
        pod.over = True
        self.ended(pod)

    async def _retire(self, pod: Pod) -> None:
        """Nobody sends it requests any more; then it ends; then its place is free."""
        run = self._runs[pod.manifest.key]
        try:
            await self._leave()
        except DeliveryFailed as error:
            self._report(f"pod {pod.manifest.key} is stopped although not every client knows: {error}")
        await pod.drain()
        await pod.stop()
        await run
        self.remove(pod)
        self.gone(pod)

    def _failed(self, task: asyncio.Task[None]) -> None:
        """A mistake of the mesh itself must not stay unseen."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(f"{task.get_name()}: internal error: {error!r}")


def _nobody(_: Pod) -> None:
    """Nobody keeps the pods yet."""
