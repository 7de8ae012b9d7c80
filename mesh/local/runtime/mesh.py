"""A running mesh: the composition of everything else, and its life from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from mesh.local import resources
from mesh.local.inside import EGRESS_PORT
from mesh.local.model import InvalidConfig, Resource
from mesh.local.runtime import addresses, applied, discovery, held, settings, sweep
from mesh.local.runtime.addresses import Block
from mesh.local.runtime.autoscaler import PERIOD_S, Autoscaler
from mesh.local.runtime.ca import LEAF_LIFETIME, Authority
from mesh.local.runtime.companion import Companion, ProcessSpec, Room
from mesh.local.runtime.configuration import Configuration
from mesh.local.runtime.container import Locate
from mesh.local.runtime.control import Control
from mesh.local.runtime.control_plane import ControlPlane
from mesh.local.runtime.controller import PATIENCE_S
from mesh.local.runtime.desired import Desired
from mesh.local.runtime.embedded import Embedded
from mesh.local.runtime.environment import Place
from mesh.local.runtime.errors import MeshError, NotWritten, Unanswered
from mesh.local.runtime.kept_keys import KeptKeys
from mesh.local.runtime.leftovers import Leftovers
from mesh.local.runtime.making import Surroundings
from mesh.local.runtime.manifest import PodManifest
from mesh.local.runtime.nursery import Nursery
from mesh.local.runtime.on_demand import OnDemand
from mesh.local.runtime.overrides import Overrides
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.process import Guardian
from mesh.local.runtime.running_pods import RunningPods
from mesh.local.runtime.sources import Declared
from mesh.local.runtime.state import State, write_atomically
from mesh.local.runtime.transaction import Transactions
from mesh.local.schema.kubernetes.volume import DISCOVERY

RETRY_S = 0.5
FOLDER_PERIOD_S = 1.0
Report = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """`leaf_lifetime` is how long certificates of Pods hold; they are renewed at half of it.

    `scaling_period_s` is how often autoscalers look.

    `locate` finds the programs of Pods annotated `delinkcious.io/optional`, which may come later.
    `control_plane` tells the proxies what to do; `drain_s` is as in `Proxy`.
    """

    leaf_lifetime: timedelta = LEAF_LIFETIME
    scaling_period_s: float = PERIOD_S
    locate: Locate = settings.on_path
    drain_s: int = 1
    control_plane: ControlPlane = field(default_factory=Embedded)


class Mesh:
    """A mesh on the state folder `state`, of what is `declared` and of `processes`.

    `await run()` starts it, keeps it and ends it in order once `stop()` was called; `report` gets lines
    for people. `up` is set when everything that was declared at the start runs.
    """

    def __init__(
        self,
        state: Path,
        declared: Declared,
        *,
        processes: Sequence[ProcessSpec] = (),
        report: Report = print,
        options: Options | None = None,
    ) -> None:
        self.state = State(state)
        self.declared = declared
        self.up = asyncio.Event()
        self.report = report
        self.companions: list[Companion] = []
        self.controller = declared.keeper(RunningPods(self._make, self._release, self._leave, report), report)
        kept = KeptKeys(self.state.keys)
        self._specs = tuple(processes)
        self._options = options or Options()
        self._plane = self._options.control_plane
        everybody = self.controller.pods
        self.desired = Desired(everybody.values, self.service_ip, report, kept, self._plane)
        self.refused = ""  # why the watched files as they are now are not in force
        self._read = 0  # how often the watched files have changed
        self._stopping = asyncio.Event()
        self._noticing = False
        self._declared = False  # companions are noticed before anything is
        self._ready: set[str] = set()
        self._discovered = b""
        self._service_ips: dict[str, str] = {}
        self._folder = Path.cwd()
        self._began = time.monotonic()

    def stop(self) -> None:
        """Ask `run` to end the mesh."""
        self._stopping.set()

    def service_ip(self, service: str) -> str:
        """The lasting address of a Service (`namespace/name`); known once `run` has claimed its block."""
        if service not in self._service_ips:
            self._service_ips[service] = self._block.take(f"service/{service}").pod
        return self._service_ips[service]

    def held(self) -> list[held.Held]:
        """What stands over the watched files."""
        return held.held(self.transactions.words, self.overrides.entries, self.desired.config)

    async def run(self) -> None:
        """Run until `stop`.

        Raises:
            MeshBusy: another supervisor runs on this state folder.
            InvalidConfig: what is declared is wrong; nothing was started but the companions.
            MeshError: the mesh cannot start; the text says why.
        """
        self.state.create()
        with self.state.held():
            await asyncio.to_thread(sweep.sweep, self.state.folder)
            block = addresses.claim(self.state)
            guardian = Guardian(self.state.folder)
            try:
                await guardian.start()
                await self._live(block)
            except ExceptionGroup as group:  # of the task group: the first failure took the others with it
                raise _first(group) from group
            finally:
                await asyncio.shield(self._end())
                await asyncio.to_thread(sweep.sweep, self.state.folder)
                await guardian.stop()
                block.release()

    async def _live(self, block: Block) -> None:
        self._block = block
        if await self._unless_stopped(self._begin_all()) is None:
            return
        self.overrides = Overrides(self.state.overrides)
        configuration = Configuration(self.declared, self._plane.validate)
        self.transactions = Transactions(self, configuration)
        first = configuration.candidate(applied.load(self.state.applied), self.overrides.entries)
        for warning in first.warnings:
            self.report(str(warning))
        if holding := held.told(held.held(first.words, self.overrides.entries, first.config)):
            self.report(holding)
        self.desired.config = first.config
        async with self._surrounded(), asyncio.TaskGroup() as tasks:
            self.transactions.begin(first)
            self.autoscaler = Autoscaler(
                self.controller,
                lambda: self.desired.config.of("HorizontalPodAutoscaler"),
                lambda: self.overrides.entries,
                self.report,
                self._options.scaling_period_s,
            )
            control = Control(self, self.state.socket)
            background = [
                tasks.create_task(self.desired.keep(self._delivered, self.report)),
                tasks.create_task(control.run()),
                tasks.create_task(self._watch()),
                tasks.create_task(self.declared.run()),
                tasks.create_task(self._start_last()),
                tasks.create_task(self._end_without_folder()),
                tasks.create_task(self.autoscaler.run()),
            ]
            self.desired.want_keys()
            self.controller.want(first.config, self.overrides.entries)
            self._declared = True
            self._look()
            await self._stopping.wait()
            for task in background:
                task.cancel()

    async def _unless_stopped(self, starting: Coroutine[Any, Any, T]) -> T | None:
        """What `starting` gives; None, and an end to it, when the mesh is stopped meanwhile."""
        work = asyncio.create_task(starting)
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if work.done():
            return work.result()
        work.cancel()
        await asyncio.wait([work])
        return None

    @contextlib.asynccontextmanager
    async def _surrounded(self) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=None)
        nursery = Nursery(self.state.folder, self.report)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            self._around = Surroundings(
                state=self.state.folder,
                pods=self.state.pods,
                claims=self.state.claims,
                folder=self._folder,
                inherited=settings.inherited(),
                session=session,
                plane=self._plane,
                authority=Authority(self.state, self._options.leaf_lifetime),
                config=lambda: self.desired.config,
                report=self.report,
                driven={DISCOVERY: self.state.discovery},
                locate=self._options.locate,
                nursery=nursery,
                leftovers=Leftovers(self.report),
                drain_s=self._options.drain_s,
            )
            try:
                await self._plane.begin()
                await self.desired.judge(self.desired.config)
                await self.desired.deliver()  # before there is any pod
                yield
            finally:
                await self.controller.stop()
                await self._plane.close()
                await nursery.close()
                await self.desired.keys.stop()

    async def _begin_all(self) -> bool:
        await self.declared.begin(await self._start_companions())
        return True

    async def _start_companions(self) -> list[Resource]:
        found: list[Resource] = []
        for spec in self._specs:
            folder = self.state.processes / spec.name
            room = Room(self._block.take(f"process/{spec.name}").pod, folder, folder / "log")
            kind = OnDemand if spec.on_demand else Companion
            companion = kind(spec, room, self.state.folder, settings.inherited(), self._notice, self.report)
            self.companions.append(companion)
        await asyncio.gather(*(self._begin(companion) for companion in self.companions))
        for companion in self.companions:
            if companion.spec.resources is not None:
                text = companion.spec.resources(companion.room)
                found += resources.parse(text, f"process {companion.spec.name}")
        return found

    async def _begin(self, companion: Companion) -> None:
        await companion.prepare()
        if not (companion.spec.last or companion.spec.on_demand):
            await companion.start()

    async def _start_last(self) -> None:
        """Start what nobody waits for, when it takes no time from the rest; its failure is told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self.up.wait()
        for companion in self.companions:
            if isinstance(companion, OnDemand):
                companion.resume()
        for companion in self.companions:
            if companion.spec.last and not companion.spec.on_demand:
                try:
                    await companion.start()
                except (MeshError, OSError) as error:
                    self.report(str(error))

    async def _end(self) -> None:
        await asyncio.gather(*(companion.stop() for companion in self.companions))

    async def _end_without_folder(self) -> None:
        """A mesh whose folder was deleted can no longer be asked to end, and another may take its place."""
        while self.state.still_held:  # noqa: ASYNC110 - the file system tells nobody
            await asyncio.sleep(FOLDER_PERIOD_S)
        self.report(f"{self.state.folder} was deleted: the mesh that ran in it ends")
        self.stop()

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as rereads, contextlib.aclosing(self.declared.rounds()) as rounds:
            async for first in rounds:  # one waits for connections to end, the next need not
                rereads.create_task(self._reread(first))

    async def _reread(self, first: float) -> None:
        """Take over what is declared; again for as long as a sidecar that does not answer prevents it."""
        self._read = number = self._read + 1
        try:
            while not await self._taken_over(first):
                await asyncio.sleep(RETRY_S)
                if number != self._read:
                    return  # a later change takes all over
        except Exception as error:  # also a mistake of the mesh itself: what runs goes on as it is
            known = isinstance(error, InvalidConfig | MeshError)
            self.refused = str(error) if known else f"internal error: {error!r}"
            self.report(f"{self.refused}\nnothing was changed")
            return
        if self.refused:
            self.refused = ""
            self.report("the watched files are in force again")

    async def _taken_over(self, first: float) -> bool:
        """False when another try may do it. Raises as `Transactions.reread`, but for that."""
        try:
            await self.transactions.reread(first)
        except Unanswered as error:
            self.refused = f"{error}; trying again"
            self.report(f"{self.refused}\nnothing was changed yet")
            return False
        return True

    def _make(self, manifest: PodManifest) -> Pod:
        pair = self._block.take(manifest.key)
        egress = (pair.pod, EGRESS_PORT) if manifest.injected or manifest.gateway else None
        direct = [companion.room.address for companion in self.companions]
        pod = Pod(manifest, Place(pair, egress, direct), self._around, self._notice)
        for port in manifest.ports:
            if (why := addresses.taken(pair.pod, port.number)) is not None:
                self.report(f"pod {manifest.key}: {why}")
        self.desired.prepare(pod)
        return pod

    def _release(self, pod: Pod) -> None:
        self._block.give_back(pod.manifest.key)

    async def _leave(self) -> None:
        await self.desired.deliver()

    def _notice(self) -> None:
        """Something about a Pod changed: look once, after all that changes now."""
        if not self._noticing:
            self._noticing = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._noticing = False
        self.desired.dirty.set()
        self.controller.reconcile()
        for pod in self.controller.pods.values():
            pod.note()
        ready = {key for key, pod in self.controller.pods.items() if pod.ready}
        for key in sorted(ready - self._ready):
            pod = self.controller.pods[key]
            first = pod.times_ready <= 1
            how = f"after {time.time() - pod.started_at:.1f} s" if first else "again"
            self.report(f"pod {key} is ready {how}")
        self._ready = ready
        self._publish()

    def _publish(self) -> None:
        """Let whoever scrapes know which processes run."""
        found = discovery.targets(self.controller.pods.values())
        if found != self._discovered:
            try:
                write_atomically(self.state.discovery / discovery.FILE, found)
            except NotWritten as error:
                self.report(f"who scrapes is not told which processes run: {error}")
                return
            self._discovered = found

    def _delivered(self) -> None:
        """Every proxy knows what was so when the delivery began."""
        unknown = self.desired.dirty.is_set()
        if self._declared and not (self.up.is_set() or unknown or self.waiting_for()):
            self.up.set()

    def waiting_for(self, *, everything: bool = False) -> list[str]:
        """What is not as declared yet, and why, for people; `everything` is with what nobody waits for."""
        found = []
        for workload in self.controller.wanted:
            if not self.controller.done(workload) and (everything or not workload.optional):
                reasons = [
                    f"{container.definition.name}: {container.reason or container.state}"
                    for pod in self.controller.of(workload)
                    for container in pod.every_container()
                    if not container.ready
                ]
                where = f"{workload.reference} in {workload.resource.namespace}"
                found.append(f"{where}: {'; '.join(reasons) or 'waits for others'}")
        found += [f"the keys of {uri}" for uri in self.desired.keys.unasked()]
        return found


def _first(group: ExceptionGroup) -> Exception:
    """The first failure of all, which another task group may have wrapped again."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
