"""Where what is declared comes from, and who makes Pods of it: watched files, or a Kubernetes API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mesh.local import resources
from mesh.local.model import Finding, InvalidConfig, Resource
from mesh.local.runtime.controller import Controller
from mesh.local.runtime.jobs import JobRun
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.running_pods import RunningPods
from mesh.local.runtime.watch import Watch
from mesh.local.runtime.workload import Key, Workload

Report = Callable[[str], None]


class Keeper(Protocol):
    """Decides which pods run. `wanted` is what it waits for at a start, `jobs` how far its Jobs are."""

    pods: dict[str, Pod]
    jobs: dict[Key, JobRun]
    wanted: list[Workload]

    def want(self, config: Any, overrides: Mapping[str, Any]) -> None: ...
    def reconcile(self) -> None: ...
    def replace(self, key: str) -> None: ...
    def count(self, counts: Mapping[Key, int]) -> None: ...
    def create_job(self, namespace: str, cron: str, name: str) -> None: ...
    def done(self, workload: Workload) -> bool: ...
    def of(self, workload: Workload) -> list[Pod]: ...
    async def stop(self) -> None: ...


class Declared(Protocol):
    """What is to be.

    `begin` is called once, before all else, with the resources of the mesh's own processes; from then on
    `read` gives everything, and `rounds` says when it has changed (by the monotonic clock). `run` is what it
    has to do meanwhile, for ever. `makes_pods` says whether a workload that cannot be run is a mistake in the
    whole; `instead` names who changes it, where the mesh itself may not.
    """

    makes_pods: bool
    instead: str

    async def begin(self, own: Sequence[Resource]) -> None: ...
    def read(self) -> list[Resource]: ...
    def rounds(self) -> AsyncGenerator[float, None]: ...
    async def run(self) -> None: ...
    def keeper(self, running: RunningPods, report: Report) -> Keeper: ...


class Files:
    """Files and folders; holds nothing but what it has parsed. With `watched` their changes are told."""

    makes_pods = True
    instead = ""

    def __init__(self, paths: Sequence[Path], *, watched: bool = True) -> None:
        self._paths = tuple(path.absolute() for path in paths)
        self._watched = watched
        self._own: tuple[Resource, ...] = ()
        self._parsed: dict[Path, tuple[str, list[Resource]]] = {}

    async def begin(self, own: Sequence[Resource]) -> None:
        self._own = tuple(own)

    def read(self) -> list[Resource]:
        """What the files say now. Raises InvalidConfig with everything that is wrong in any of them."""
        found: list[Resource] = list(self._own)
        findings: list[Finding] = []
        parsed: dict[Path, tuple[str, list[Resource]]] = {}
        for file in self._files(findings):
            try:
                text = resources.read_text(file)
                known = self._parsed.get(file)
                same = known is not None and known[0] == text
                parsed[file] = known if known and same else (text, resources.parse(text, str(file)))
                found += parsed[file][1]
            except InvalidConfig as error:
                findings += error.findings
        findings += resources.duplicates(found)
        if findings:
            raise InvalidConfig(findings)
        self._parsed = parsed
        return found

    async def rounds(self) -> AsyncGenerator[float, None]:
        if not self._watched or not self._paths:
            return
        with contextlib.closing(Watch(self._paths)) as watch:
            async for first in watch.rounds():
                yield first

    async def run(self) -> None:
        """Nothing: files ask for nothing."""

    def keeper(self, running: RunningPods, report: Report) -> Controller:
        return Controller(running, report)

    def _files(self, findings: list[Finding]) -> Iterator[Path]:
        for path in self._paths:
            try:
                yield from resources.files_of(path)
            except InvalidConfig as error:
                findings += error.findings
