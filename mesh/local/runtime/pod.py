"""One Pod: its volumes, its sidecar, its containers, in the order in which they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import aiohttp

from mesh.local.model import Config, Endpoint, Proxy
from mesh.local.runtime import environment, volumes
from mesh.local.runtime.admin import AdminUnreachable
from mesh.local.runtime.ca import Authority
from mesh.local.runtime.container import Container, Definition, Locate, Report
from mesh.local.runtime.control_plane import ControlPlane
from mesh.local.runtime.environment import Place
from mesh.local.runtime.manifest import PROXY_CONTAINER, FieldPath, PodManifest, Refused
from mesh.local.runtime.nursery import Nursery
from mesh.local.runtime.probes import Action, action, attempt, probes
from mesh.local.runtime.process import Command
from mesh.local.runtime.sidecar import Sidecar

EGRESS_PORT = 15001
ADMIN_PORT = 15000
QUIET_WITHIN_S = 5.0  # of the grace period, for requests that are on their way when a pod is told to stop
QUIET_POLL_S = 0.05

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


@dataclass(frozen=True)
class Surroundings:
    """What every Pod of a mesh shares. `config` gives the resources of this moment.

    `driven` has the folders of the mesh's own volume drivers; `locate` finds a program by its name;
    `nursery` forks the Python processes that ask for it; `drain_s` is as in `Proxy`.
    """

    state: Path
    pods: Path
    folder: Path
    inherited: Mapping[str, str]
    session: aiohttp.ClientSession
    plane: ControlPlane
    authority: Authority
    config: Callable[[], Config]
    report: Report
    driven: Mapping[str, Path]
    locate: Locate
    nursery: Nursery
    drain_s: int


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
        self.unwanted = False  # another is to take its place
        self.ready_since: float | None = None
        self.started_at = time.time()
        self.containers: list[Container] = []
        self._interrupted = asyncio.Event()
        self.folder = around.pods / manifest.namespace / manifest.name
        self._around = around
        self._changed = changed
        self.sidecar = self._make_sidecar() if manifest.injected or manifest.gateway else None

    @property
    def ready(self) -> bool:
        if self.stopping or self.phase != "Running":
            return False
        if self.sidecar is not None and not self.sidecar.container.ready:
            return False
        return all(container.ready for container in self.containers)

    def note(self) -> None:
        """Take down since when it is ready."""
        if not self.ready:
            self.ready_since = None
        elif self.ready_since is None:
            self.ready_since = time.time()

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
            sidecar=self.sidecar is not None,
            ready=self.ready,
            workload=manifest.workload,
        )

    def every_container(self) -> Iterator[Container]:
        yield from self.containers
        if self.sidecar is not None:
            yield self.sidecar.container

    def log(self, container: str) -> Path:
        return self.folder / "logs" / f"{container}.log"

    async def run(self) -> None:
        """Run until stopped, or until every container is finished."""
        if self.manifest.refusal:
            raise Refused((), self.manifest.refusal)
        self.refresh_volumes()
        beside = asyncio.create_task(self.sidecar.run()) if self.sidecar is not None else None
        try:
            if await self._sidecar_ready() and await self._initialise():
                await self._main()
        finally:
            if self.sidecar is not None and beside is not None:
                await self.sidecar.stop()
                await beside
            self._changed()

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
        await asyncio.gather(*(container.stop(self.manifest.grace_s) for container in self.containers))
        if self.sidecar is not None and not self.manifest.containers:
            await self.sidecar.stop()

    def refresh_volumes(self) -> None:
        """Write the volumes as ConfigMaps and Secrets are now; running processes see the new files."""
        found = volumes.contents(
            self.manifest, self._around.config(), environment.fields(self.manifest, self.place)
        )
        volumes.write(self.folder / "volumes", found, self._around.driven)

    def remove(self) -> None:
        """Take its files away, but for the logs."""
        for name in ("volumes", "proxy"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    async def _initialise(self) -> bool:
        """Run the init containers one after the other; whether all succeeded."""
        for index in range(len(self.manifest.spec.get("initContainers") or [])):
            if self._interrupted.is_set():
                return False
            policy = "Never" if self.manifest.restart_policy == "Never" else "OnFailure"
            container = self._make("initContainers", index, policy)
            self.containers = [container]
            if await container.run() != 0:
                self.phase = "Failed"
                return False
        return not self._interrupted.is_set()

    async def _main(self) -> None:
        policy = self.manifest.restart_policy
        count = len(self.manifest.containers)
        self.containers = [self._make("containers", index, policy) for index in range(count)]
        self.phase = "Running"
        self._changed()
        if self.sidecar is not None and not self.containers:
            await self.sidecar.container.finished.wait()  # a gateway is its Envoy
            return
        codes = await asyncio.gather(*(container.run() for container in self.containers))
        self.phase = "Failed" if any(codes) else "Succeeded"

    async def _sidecar_ready(self) -> bool:
        """Wait for it; False when the pod was stopped meanwhile."""
        if self.sidecar is not None:
            waits = [
                asyncio.create_task(self.sidecar.delivery.live.wait()),
                asyncio.create_task(self._interrupted.wait()),
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
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

    def _make(self, word: str, index: int, policy: str) -> Container:
        manifest, around = self.manifest, self._around
        path: FieldPath = ("spec", word, index)
        body = manifest.spec[word][index]
        mounted = volumes.mounts(manifest, body, path, self.folder / "volumes")
        variables = environment.environment(manifest, body, path, self.place, around.config(), mounted)
        argv = environment.argv(manifest.argv(index, word), variables, mounted)
        inherited = around.inherited if self.sidecar is None else without_proxies(around.inherited)
        env = {**inherited, **environment.real(variables, mounted)}
        # The mesh's own folder may lie where a volume is mounted, as below /tmp: only what is written moves.
        written = body.get("workingDir")
        cwd = around.folder / (volumes.translate(written, mounted) if written else "")
        command = Command(argv, env, cwd, self.log(body["name"]), around.state)

        async def carry_out(wanted: Action, timeout_s: float) -> str | None:
            return await attempt(around.session, wanted, timeout_s, command)

        hook = ((body.get("lifecycle") or {}).get("preStop")) or None
        ports = {port.name: port.number for port in manifest.ports}
        definition = Definition(
            body["name"],
            command,
            probes(body, self.place.host, path),
            policy,  # type: ignore[arg-type]
            carry_out,
            grace_s=manifest.grace_s,
            pre_stop=action(hook, self.place.host, ports, (*path, "lifecycle", "preStop")) if hook else None,
            locate=around.locate if manifest.optional else None,
            start=partial(around.nursery.start, preload=manifest.preload),
        )
        return Container(definition, self._changed, self._report)

    def _make_sidecar(self) -> Sidecar:
        manifest, around = self.manifest, self._around
        pair = self.place.addresses
        proxy = Proxy(
            kind="gateway" if manifest.gateway else "sidecar",
            name=manifest.name,
            namespace=manifest.namespace,
            labels=manifest.labels,
            service_account=manifest.service_account,
            workload=manifest.workload,
            ip=pair.pod,
            app_ip=pair.pod if manifest.gateway else pair.app,
            ports=manifest.ports,
            egress=(pair.pod, EGRESS_PORT),
            admin=(pair.pod, ADMIN_PORT),
            folder=self.folder / "proxy",
            annotations=manifest.annotations,
            drain_s=around.drain_s,
        )
        log = self.log(PROXY_CONTAINER)
        env = environment.of_proxy(manifest)
        return Sidecar(
            proxy,
            around.plane,
            around.authority,
            around.session,
            around.state,
            log,
            env,
            self._changed,
            self._report,
        )

    def _report(self, text: str) -> None:
        self._around.report(f"pod {self.manifest.key}: {text}")


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


def without_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without the machine's own proxy settings, which the sidecar's replace."""
    return {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
