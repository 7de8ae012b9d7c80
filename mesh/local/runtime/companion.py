"""Processes of the mesh that are no Pods: a database, a broker; started before the Pods, or behind them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh.local.runtime.container import Container, Definition, Report, RestartPolicy, Start
from mesh.local.runtime.errors import NotReady
from mesh.local.runtime.probes import Action, Probe, Probes
from mesh.local.runtime.process import Command, Process, last_lines

LAST_LINES = 20


@dataclass(frozen=True)
class Room:
    """Where a companion lives: an address of the mesh's block, the same at every start, and a folder."""

    address: str
    folder: Path
    log: Path


@dataclass(frozen=True)
class ProcessSpec:
    """One companion.

    `prepare` runs in a thread before the start (make a data folder), `ready` says whether it serves,
    `started` runs once it does (make databases), `resources` is YAML that joins the configuration
    (a Secret with its address). It is restarted when it dies; Pods start when all are ready that are not
    `last`: those start behind everything, and nobody waits for them. One that is `on_demand` starts when it
    is asked for, and again until it has ended with exit code 0; nobody waits for it either, and there is no
    `started` for it.
    """

    name: str
    command: Callable[[Room], Sequence[str]]
    ready: Callable[[Room], Awaitable[bool]]
    prepare: Callable[[Room], None] | None = None
    started: Callable[[Room], Awaitable[None]] | None = None
    resources: Callable[[Room], str] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 20.0
    ready_within_s: float = 60.0
    last: bool = False
    on_demand: bool = False


class Companion:
    """A running ProcessSpec."""

    def __init__(
        self,
        spec: ProcessSpec,
        room: Room,
        state: Path,
        inherited: Mapping[str, str],
        changed: Callable[[], None],
        report: Report,
    ) -> None:
        self.spec = spec
        self.room = room
        self._state = state
        self._inherited = inherited
        self._changed = changed
        self._report = report
        self._serves = asyncio.Event()
        self._task: asyncio.Task[int] | None = None
        self.container: Container | None = None

    async def prepare(self) -> None:
        """Make its folder as its process needs it."""
        spec, room = self.spec, self.room
        room.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if spec.prepare is not None:
            preparing = asyncio.ensure_future(asyncio.to_thread(spec.prepare, room))
            try:
                await asyncio.shield(preparing)
            except asyncio.CancelledError:
                await preparing  # a thread runs to its end: nobody may use the folder before
                raise

    async def start(self) -> None:
        """Start it and wait until it serves. Raises NotReady with the last lines of its log."""
        spec, room = self.spec, self.room
        self.container = self._contained("Always", Process.start)
        self._task = asyncio.create_task(self.container.run(), name=f"process {spec.name}")
        try:
            async with asyncio.timeout(spec.ready_within_s):
                await self._serves.wait()
        except TimeoutError:
            lines = "\n".join(f"    {line}" for line in last_lines(room.log, LAST_LINES))
            raise NotReady(f"{spec.name} does not serve after {spec.ready_within_s:g} s\n{lines}") from None
        if spec.started is not None:
            await spec.started(room)

    async def stop(self) -> None:
        if (task := self._task) is not None:
            if self.container is not None:
                await self.container.stop()
            await task

    def _contained(self, restart: RestartPolicy, start: Start) -> Container:
        spec, room = self.spec, self.room
        env = {**self._inherited, **spec.env}
        definition = Definition(
            spec.name,
            Command(tuple(spec.command(room)), env, room.folder, room.log, self._state),
            Probes(readiness=Probe(Action(), period_s=1, timeout_s=5)),
            restart,
            self._attempt,
            grace_s=spec.grace_s,
            stop_signal=spec.stop_signal,
            start=start,
        )
        return Container(definition, self._noticed, self._report)

    def _noticed(self) -> None:
        if self.container is not None and self.container.ready:
            self._serves.set()
        self._changed()

    async def _attempt(self, _: Action, timeout_s: float) -> str | None:
        try:
            async with asyncio.timeout(timeout_s):
                return None if await self.spec.ready(self.room) else "does not serve yet"
        except TimeoutError:
            return f"no answer within {timeout_s:g} s"
