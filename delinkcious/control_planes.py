"""Composes the control plane that a mesh is to run under: the embedded one, or a real istiod."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from delinkcious.tools import finding, istio
from delinkcious.tools.catalogue import FOR_ISTIOD
from delinkcious.tools.errors import ToolUnavailable
from mesh.local.runtime.companion import ProcessSpec
from mesh.local.runtime.control_plane import ControlPlane
from mesh.local.runtime.embedded import Embedded
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State

EMBEDDED, ISTIOD = "embedded", "istiod"
NAMES = (EMBEDDED, ISTIOD)
FOLDER = "istiod"  # below the state folder
BRINGS = "delinkcious tools install --istiod"

Report = Callable[[str], None]


def control_plane(name: str, folder: Path, report: Report) -> tuple[ControlPlane, Sequence[ProcessSpec]]:
    """It, and the processes that a mesh in the state folder has for it.

    Raises MeshError when a program of istiod's is missing.
    """
    if name == EMBEDDED:
        return Embedded(), ()
    # Its certificates come by gRPC, which most commands need not load.
    from mesh.local.istiod.control import Istiod
    from mesh.local.istiod.processes import Processes

    state = State(folder)
    try:
        definitions = [istio.definitions(report)]
    except ToolUnavailable as error:
        raise MeshError(f"Istio's kinds cannot be had: {error}") from error
    programs = {tool.name: _program(tool.name) for tool in FOR_ISTIOD.values()}
    processes = Processes(state, state.folder / FOLDER, programs, definitions)
    return Istiod(processes, state, report), processes.specs


def _program(name: str) -> str:
    path = finding.locate(name)
    if path is None:
        raise MeshError(f"{name} is missing: {BRINGS} brings it, in minutes, once")
    return path
