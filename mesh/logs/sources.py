"""Where the lines are: a file for each process of the mesh, and those that a restart or a trim put aside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.state import State

SUPERVISOR = "mesh"
ALIASES = {"gateway": "ingressgateway", "sidecars": PROXY_CONTAINER, "supervisor": SUPERVISOR}

_POD = re.compile(r"(?P<workload>(?P<app>.+?)(?:-v[0-9]+|-migrate-(?:pre|post))?)-[0-9a-f]{8}-[0-9]+")
_ASIDE = re.compile(r"(?P<name>.+?)(?:\.previous)?\.log(?:\.1)?")


@dataclass(frozen=True)
class Source:
    """The output of one process: the file that it writes now and those before it, `names` it goes by."""

    title: str
    service: str
    current: Path
    names: frozenset[str]

    def files(self) -> list[Path]:
        """Every file that is there; each is in order of time by itself."""
        here = self.current
        every = (here.with_suffix(".previous.log"), here.with_name(here.name + ".1"), here)
        return [file for file in every if file.is_file()]


def find(state: State) -> list[Source]:
    """All that have written something in this state folder, also those that are gone."""
    found = [_of_container(file) for file in _containers(state)]
    for folder in sorted(state.processes.glob("*")):
        name = folder.name
        found.append(Source(name, name, folder / "log", frozenset((name,))))
    found.append(Source(SUPERVISOR, SUPERVISOR, state.output, frozenset((SUPERVISOR,))))
    return [source for source in found if source.files()]


def chosen(sources: list[Source], wanted: Iterable[str]) -> list[Source]:
    """Those that `wanted` names: services, workloads, pods, stores; all without a name. Raises NotFound."""
    picked: list[Source] = []
    for word in wanted:
        name = ALIASES.get(word, word)
        those = [source for source in sources if name in source.names]
        if not those:
            known = sorted({source.service for source in sources} | {"sidecars"})
            raise NotFound(f"no process is called {word}; there are: {', '.join(known)}")
        picked += [source for source in those if source not in picked]
    return picked if wanted else sources


def _containers(state: State) -> list[Path]:
    """The current log of every container, whether it is there or only what came before it."""
    found = set()
    for file in state.pods.glob("*/*/logs/*.log*"):
        if match := _ASIDE.fullmatch(file.name):
            found.add(file.with_name(match["name"] + ".log"))
    return sorted(found)


def _of_container(file: Path) -> Source:
    pod, container = file.parent.parent.name, file.name.removesuffix(".log")
    match = _POD.fullmatch(pod)
    workload, app = (match["workload"], match["app"]) if match else (pod, pod)
    proxied = container == PROXY_CONTAINER and app != ALIASES["gateway"]
    names = {app, workload, pod, container}
    return Source(f"{workload}/proxy" if proxied else workload, app, file, frozenset(names))
