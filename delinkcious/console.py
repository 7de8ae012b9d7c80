"""The console of the local installation: its process beside the mesh, and where it is."""

from __future__ import annotations

import sys
from pathlib import Path

from mesh.console.settings import PORT, Settings
from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.state import State, write_atomically

NAME = "console"
ADDRESS = "address"


def companion(checkout: Path, folder: Path) -> ProcessSpec:
    """The console as a process of the mesh that it shows; nobody waits for it."""

    def command(room: Room) -> list[str]:
        where = ["--state", str(folder), "--checkout", str(checkout), "--host", room.address]
        return [sys.executable, "-m", "mesh.console", *where, "--port", str(PORT)]

    async def ready(_: Room) -> bool:
        return True  # the mesh is there without it

    return ProcessSpec(
        name=NAME,
        prepare=lambda room: write_atomically(room.folder / ADDRESS, room.address),
        command=command,
        ready=ready,
        grace_s=5.0,
        last=True,
    )


def url(state: State) -> str:
    """Where the console of a running installation is. Raises LookupError."""
    file = state.processes / NAME / ADDRESS
    if state.holder() is None or not file.exists():
        raise LookupError(f"no console runs in {state.folder}: delinkcious up starts it")
    return f"{Settings(state.folder, file.read_text()).url}/"
