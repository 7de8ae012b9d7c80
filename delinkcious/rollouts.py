"""The controller of rollouts on this machine: a process of the mesh, there while something is rolled out."""

from __future__ import annotations

import sys
from pathlib import Path

from mesh.local.runtime.companion import ProcessSpec, Room

NAME = "canary"


def companion(folder: Path) -> ProcessSpec:
    """It ends by itself when all runs have ended; one that dies is started again and goes on."""

    def command(_: Room) -> list[str]:
        return [sys.executable, "-m", "mesh.canary", "--state", str(folder)]

    async def ready(_: Room) -> bool:
        return True  # nothing waits for it

    return ProcessSpec(name=NAME, command=command, ready=ready, grace_s=5.0, on_demand=True)
