"""CPU and memory of the processes of a local installation, by what they are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import psutil

from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State
from mesh.local.runtime.sweep import RECORDS

STORES = {"postgres": "PostgreSQL", "nats-server": "NATS", "redis-server": "Redis"}
LOOKING = "observability"  # the namespace of what only looks at the others
PROXY = "istio-proxy"

Children: TypeAlias = Mapping[int, list[psutil.Process]]


class Usage(msgspec.Struct, frozen=True):
    """What one process and its children used while the load ran; PSS shares out what processes share."""

    kind: str
    name: str
    cpu_s: float
    cpu_share: float
    pss_bytes: int
    pss_most_bytes: int


@dataclass
class Watched:
    """A process, its CPU time when the load began, and its memory since."""

    kind: str
    name: str
    process: psutil.Process
    begun_s: float = 0.0
    used_s: float = 0.0
    pss: list[int] = field(default_factory=list)


class Resources:
    """Watches processes from `begin` on; `look` is called now and then, from a thread."""

    def __init__(self, watched: list[Watched]) -> None:
        self._watched = watched
        self._pids = {each.process.pid for each in watched}
        self._began = time.monotonic()

    def begin(self) -> None:
        children = _children()
        for each in self._watched:
            each.begun_s = self._cpu_s(each, children)
        self._began = time.monotonic()

    def look(self, *, memory: bool = True) -> None:
        """Their CPU time and memory now; what has ended keeps what it had."""
        children = _children()
        for each in self._watched:
            each.used_s = max(each.used_s, self._cpu_s(each, children) - each.begun_s)
            if memory and (pss := sum(map(_pss, self._tree(each.process, children)))):
                each.pss.append(pss)

    def usages(self) -> list[Usage]:
        """Those that used most first."""
        elapsed = max(time.monotonic() - self._began, 1e-9)
        found = [
            Usage(
                each.kind,
                each.name,
                round(each.used_s, 3),
                round(each.used_s / elapsed, 4),
                each.pss[-1] if each.pss else 0,
                max(each.pss, default=0),
            )
            for each in self._watched
        ]
        return sorted(found, key=lambda usage: usage.cpu_s, reverse=True)

    def _cpu_s(self, watched: Watched, children: Children) -> float:
        total = 0.0
        with suppress(psutil.Error):
            # Of children that have ended, too: PostgreSQL's connections come and go.
            ended = watched.process.cpu_times()
            total += ended.children_user + ended.children_system if watched.kind == "store" else 0.0
        for process in self._tree(watched.process, children):
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _tree(self, root: psutil.Process, children: Children) -> Iterator[psutil.Process]:
        """The process and its descendants, but for those that are watched by themselves."""
        yield root
        for child in children.get(root.pid, ()):
            if child.pid not in self._pids:
                yield from self._tree(child, children)


def _children() -> Children:
    """Everybody's children now, found in one walk over all processes."""
    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found.setdefault(process.ppid(), []).append(process)
    return found


def watch(state: State | None, senders: Iterable[int]) -> Resources:
    """The processes of the installation, and those that send."""
    found = [each for pid in senders if (each := _watched("load", "the load itself", pid)) is not None]
    if state is not None:
        with suppress(MeshError):
            found += _of_installation(state)
    return Resources(found)


def _of_installation(state: State) -> Iterator[Watched]:
    known: set[int] = set()
    for pod in Client(state).get("/get/pods"):
        for container in pod["containers"]:
            if container["pid"] and (each := _of_pod(pod, container)) is not None:
                known.add(container["pid"])
                yield each
    for file in (state.folder / RECORDS).iterdir():
        pid = int(file.name) if file.name.isdigit() else 0
        if pid and pid not in known and (each := _companion(pid)) is not None:
            yield each
    if (holder := state.holder()) is not None and (
        each := _watched("mesh", "supervisor", holder)
    ) is not None:
        yield each


def _of_pod(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Watched | None:
    workload, name = pod["workload"], container["name"]
    if pod["namespace"] == LOOKING:
        return _watched("telemetry", workload, container["pid"])
    if name == PROXY:
        gateway = len(pod["containers"]) == 1
        kind, shown = ("gateway", workload) if gateway else ("sidecar", f"{workload} sidecar")
        return _watched(kind, shown, container["pid"])
    return _watched("service", workload, container["pid"])


def _companion(pid: int) -> Watched | None:
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return None
    program = Path(words[0]).name if words else ""
    if program in STORES:
        return _watched("store", STORES[program], pid)
    return _watched("telemetry", "console", pid) if "mesh.console" in words else None


def _watched(kind: str, name: str, pid: int) -> Watched | None:
    with suppress(psutil.Error):
        return Watched(kind, name, psutil.Process(pid))
    return None


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
