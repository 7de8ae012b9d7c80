"""`python -m mesh.canary --state FOLDER`: drives the rollouts of a local mesh until all have ended."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from mesh.canary import home
from mesh.canary.controller import Controller
from mesh.canary.runs.folder import Busy
from mesh.local.runtime.state import State
from telemetry import logs


@click.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), required=True)
def main(state: Path) -> None:
    """Drive every run of the mesh in a state folder that nobody has ended."""
    logs.configure("info", service="canary")
    mesh = State(state)
    try:
        asyncio.run(Controller(home.folder(mesh), home.site(mesh)).work())
    except Busy as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
