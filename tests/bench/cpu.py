"""CPU time of processes by layer: the figure of a measurement that does not depend on who else computes.

The kernel's schedstat is read, not utime and stime: those count in ticks of 10 ms, which is what twenty
requests cost. A process is all of its threads; what a thread or child has used that ended meanwhile is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
SIDECAR = "istio-proxy"


@dataclass(frozen=True)
class Layer:
    """One layer of what is measured: its processes, with all their children where they fork."""

    name: str
    pids: tuple[int, ...]
    with_children: bool = False

    def used_ns(self) -> dict[int, int]:
        """Nanoseconds of CPU by process, since each began."""
        pids = set(self.pids)
        if self.with_children:
            for pid in self.pids:
                pids |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        return {pid: process_ns(pid) for pid in pids}


class Meter:
    """CPU seconds of each layer from now on."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = tuple(layers)
        self._begun = {layer.name: layer.used_ns() for layer in self._layers}

    def used_s(self) -> dict[str, float]:
        """By layer; a process that began meanwhile counts whole."""
        return {layer.name: used(self._begun[layer.name], layer.used_ns()) for layer in self._layers}


def used(before: Mapping[int, int], after: Mapping[int, int]) -> float:
    """Seconds between two readings of processes, which may have come and gone."""
    return sum(value - before.get(pid, 0) for pid, value in after.items()) / 1e9


def process_ns(pid: int) -> int:
    """Nanoseconds that the threads of a process have run; 0 when it is gone."""
    total = 0
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            try:
                total += int((thread / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return total


def of_installation(pods: Iterable[Mapping[str, object]], state: Path, service: str) -> list[Layer]:
    """The layers that a request to `service` passes: gateway, sidecar, service, and the stores behind it.

    `pods` are what `mesh get pods -o json` prints, `state` is the installation's folder.
    """
    by_workload = {str(pod["workload"]).removesuffix("-v1"): _containers(pod) for pod in pods}
    own = by_workload[service]
    return [
        Layer("gateway", tuple(by_workload["ingressgateway"].values())),
        Layer("sidecar", (own.pop(SIDECAR),)),
        Layer("service", tuple(own.values())),
        *(Layer(name, _companion(state, name), with_children=True) for name in ("postgres", "nats", "redis")),
    ]


def _containers(pod: Mapping[str, object]) -> dict[str, int]:
    containers = pod["containers"]
    assert isinstance(containers, list)
    return {part["name"]: part["pid"] for part in containers}


def _companion(state: Path, name: str) -> tuple[int, ...]:
    """The store's first process, known by its folder on its command line."""
    folder = str(state / "processes" / name)
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(folder in part for part in process.info["cmdline"] or ())
    ]
    if not found:
        raise SystemExit(f"no process of {name} runs for {state}")
    return (min(found, key=lambda process: process.create_time()).pid,)
