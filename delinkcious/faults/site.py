"""The local installation that a fault is for: its mesh, its processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from mesh.local.runtime import sweep
from mesh.local.runtime.client import Client
from mesh.local.runtime.state import State

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A checkout and the state folder in which it runs."""

    checkout: Path
    state: State

    @property
    def client(self) -> Client:
        return Client(self.state)

    @property
    def runs(self) -> bool:
        return self.state.holder() is not None

    def pods(self, workload: str) -> list[Json]:
        """Those of a Deployment. Raises MeshError."""
        return [pod for pod in self.client.get("/get/pods") if pod["workload"] == workload]

    def processes_of(self, workload: str, container: str) -> list[psutil.Process]:
        """A container's, in every pod of a Deployment. Raises MeshError."""
        pids = [
            found["pid"]
            for pod in self.pods(workload)
            for found in pod["containers"]
            if found["name"] == container and found["pid"]
        ]
        return list(_living(pids))

    def store(self, name: str) -> list[psutil.Process]:
        """The processes of a store (postgres, nats, redis), the oldest first; none when it does not run."""
        folder = str(self.state.processes / name)
        for leader in _living(int(file.name) for file in sweep.recorded(self.state.folder)):
            try:
                if any(word.startswith(folder) for word in leader.cmdline()):
                    return [leader, *leader.children(recursive=True)]
            except psutil.Error:  # it ended meanwhile
                continue
        return []


def _living(pids: Iterator[int] | list[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        try:
            yield psutil.Process(pid)
        except psutil.Error:
            continue
