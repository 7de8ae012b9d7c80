"""One Pod: its volumes, its sidecar, its containers, in the order in which they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal

from mesh.local.model import Endpoint
from mesh.local.runtime import environment, volumes
from mesh.local.runtime.admin import AdminUnreachable
from mesh.local.runtime.container import Container
from mesh.local.runtime.environment import Place
from mesh.local.runtime.errors import NotWritten
from mesh.local.runtime.making import Making, Surroundings
from mesh.local.runtime.manifest import PodManifest, Refused
from mesh.local.runtime.state import write_atomically

ORDER = "order"  # the file beside the logs that names the containers
QUIET_WITHIN_S = 5.0  # of the grace period, for requests that are on their way when a pod is told to stop
QUIET_POLL_S = 0.05

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


class Pod:
    """Runs a Pod manifest at a place. `changed` is called whenever something that others see changes."""

    def __init__(
        self, manifest: PodManifest, place: Place, around: Surroundings, changed: Callable[[], None]
    ) -> None:
        self.manifest = manifest
        self.place = place
        self.phase: Phase = "Pending"
        self.failure = ""  # why the mesh could not run it
        self.stopping = False
        self.over = False  # nothing of it runs any more, its sidecar neither
        self.unwanted = False  # another is to take its place
        self.ready_since: float | None = None
        self.times_ready = 0
        self.started_at = time.time()
        self.containers: list[Container] = []
        self.beside: list[Container] = []  # init containers that go on, as `restartPolicy: Always` says
        self.expired = False  # it ran longer than it may
        self.changed = changed
        self._interrupted = asyncio.Event()
        self.folder = around.pods / manifest.namespace / manifest.name
        self._around = around
        self._making = Making(manifest, place, around, self.folder, changed)
        self.sidecar = self._making.sidecar() if manifest.injected or manifest.gateway else None

    @property
    def ready(self) -> bool:
        if self.stopping or self.phase != "Running":
            return False
        if self.sidecar is not None and not self.sidecar.container.ready:
            return False
        return all(container.ready for container in (*self.beside, *self.containers))

    def note(self) -> None:
        """Take down since when it is ready."""
        if not self.ready:
            self.ready_since = None
        elif self.ready_since is None:
            self.ready_since = time.time()
            self.times_ready += 1

    @property
    def endpoint(self) -> Endpoint:
        manifest = self.manifest
        ports = {port.name: port.number for port in manifest.ports}
        address = self.place.addresses.pod
        return Endpoint(
            pod=manifest.name,
            namespace=manifest.namespace,
            address=address,
            labels=manifest.labels,
            service_account=manifest.service_account,
            ports=ports,
            sidecar=manifest.takes_mutual_tls,
            ready=self.ready,
            workload=manifest.workload,
            hostname=manifest.spec.get("hostname") or "",
            subdomain=manifest.spec.get("subdomain") or "",
        )

    def every_container(self) -> Iterator[Container]:
        yield from self.beside
        yield from self.containers
        if self.sidecar is not None:
            yield self.sidecar.container

    def log(self, container: str) -> Path:
        return self._making.log(container)

    async def run(self) -> None:
        """Run until stopped, or until every container is finished."""
        if self.manifest.refusal:
            raise Refused((), self.manifest.refusal)
        self.refresh_volumes()
        self._tell_order()
        proxy = asyncio.create_task(self.sidecar.run()) if self.sidecar is not None else None
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    if await self._sidecar_ready() and await self._initialise(tasks):
                        await self._main()
                finally:
                    await self._end_those_beside()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            if self.sidecar is not None and proxy is not None:
                await self.sidecar.stop()
                await proxy
            self.changed()

    async def drain(self) -> None:
        """Let no new client into a gateway: those from outside learn only from itself that it goes."""
        if self.sidecar is not None and self.manifest.gateway:
            with contextlib.suppress(AdminUnreachable):
                await self.sidecar.admin.drain(min(QUIET_WITHIN_S, self.manifest.grace_s / 2))

    async def stop(self) -> None:
        """End it in order. Call it when no other proxy sends requests here any more."""
        self.stopping = True
        await self._quiet()
        self._interrupted.set()
        await self._stop_containers()
        if self.sidecar is not None and not self.manifest.containers:
            await self.sidecar.stop()

    async def expire(self) -> None:
        """End it as failed: its `activeDeadlineSeconds` are over."""
        self.expired, self.failure = True, "it ran longer than its activeDeadlineSeconds"
        self._interrupted.set()
        await self._stop_containers()
        if not self.containers:
            self.phase = "Failed"

    def refresh_volumes(self) -> None:
        """Write the volumes as ConfigMaps and Secrets are now; running processes see the new files."""
        found = volumes.contents(
            self.manifest, self._around.config(), environment.fields(self.manifest, self.place)
        )
        folders = volumes.Folders(self._around.driven, self._around.claims / self.manifest.namespace)
        volumes.write(self.folder / "volumes", found, folders)

    def remove(self) -> None:
        """Take its files away, but for the logs."""
        for name in ("volumes", "proxy"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _tell_order(self) -> None:
        """Let who looks at logs later know which container comes first, as `kubectl logs` does."""
        words = ("containers", "initContainers")
        names = [body["name"] for word in words for body in self.manifest.spec.get(word) or []]
        file = self.folder / "logs" / ORDER
        with contextlib.suppress(NotWritten, OSError):  # without it the names come by the alphabet
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(file, "\n".join(names))

    async def _initialise(self, tasks: asyncio.TaskGroup) -> bool:
        """Run the init containers one after the other; whether all succeeded.

        One that goes on is waited for until it has started.
        """
        for index, body in enumerate(self.manifest.spec.get("initContainers") or []):
            if self._interrupted.is_set():
                break
            if body.get("restartPolicy") == "Always":
                container = self._making.container("initContainers", index, "Always")
                self.beside.append(container)
                tasks.create_task(container.run())
                await first_of(container.started, self._interrupted)
                continue
            policy = "Never" if self.manifest.restart_policy == "Never" else "OnFailure"
            container = self._making.container("initContainers", index, policy)
            self.containers = [container]
            if await container.run() != 0:
                self.phase = "Failed"
                return False
        if self._interrupted.is_set() and self.expired:
            self.phase = "Failed"
        return not self._interrupted.is_set()

    async def _main(self) -> None:
        policy = self.manifest.restart_policy
        count = len(self.manifest.containers)
        self.containers = [self._making.container("containers", index, policy) for index in range(count)]
        self.phase = "Running"
        self.changed()
        if self.sidecar is not None and not self.containers:
            await self.sidecar.container.finished.wait()  # a gateway is its Envoy
            return
        codes = await asyncio.gather(*(container.run() for container in self.containers))
        self.phase = "Failed" if any(codes) or self.expired else "Succeeded"

    async def _stop_containers(self) -> None:
        await asyncio.gather(*(container.stop(self.manifest.grace_s) for container in self.containers))

    async def _end_those_beside(self) -> None:
        """The last one first: what was started before may serve it to its end."""
        for container in reversed(self.beside):
            await container.stop(self.manifest.grace_s)

    async def _sidecar_ready(self) -> bool:
        """Wait for it; False when the pod was stopped meanwhile."""
        if self.sidecar is not None:
            await first_of(self.sidecar.delivery.live, self._interrupted)
        return not self._interrupted.is_set()

    async def _quiet(self) -> None:
        """Let requests that arrived end before the process hears of its stop.

        A gateway has connections with a request still to come: whoever has just opened one, and those from
        outside whom no last answer has told to leave. And it has no process behind it that drains: what runs
        has all of the grace period that is left.
        """
        if self.sidecar is None:
            return
        admin, grace_s = self.sidecar.admin, self.manifest.grace_s
        soon_s = min(QUIET_WITHIN_S, grace_s / 2)
        live = self.sidecar.delivery.live
        if self.manifest.gateway:
            await _none(admin.connections, live, soon_s)
        await _none(admin.active_requests, live, grace_s - 2 * soon_s if self.manifest.gateway else soon_s)


async def first_of(*events: asyncio.Event) -> None:
    """Wait for any of these."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _none(count: Callable[[], Awaitable[int]], live: asyncio.Event, within_s: float) -> None:
    """Wait for there to be none of what a live Envoy counts, for so long at most."""
    deadline = time.monotonic() + within_s
    while live.is_set() and time.monotonic() < deadline:
        try:
            if await count() == 0:
                return
        except AdminUnreachable:
            return
        await asyncio.sleep(QUIET_POLL_S)
