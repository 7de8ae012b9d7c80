"""Commands that run in a pod of the local mesh, as `kubectl exec` does: its settings, secrets and sidecar."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import psutil

from delinkcious import local
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError


def run_in(workload: str, container: str, arguments: list[str], state: Path | None) -> None:
    """`python ARGUMENTS` as that container would run it; ends the command when it fails."""
    try:
        # What runs is the checkout's, wherever the mesh keeps its state.
        checkout = local.project()
        environment = _environment(Client(local.state(state)).get("/get/pods"), workload, container)
    except (MeshError, LookupError, psutil.Error) as error:
        raise click.ClickException(str(error)) from error
    done = subprocess.run([sys.executable, *arguments], env=environment, cwd=checkout, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _environment(pods: list[dict[str, Any]], workload: str, name: str) -> dict[str, str]:
    """That of a running process of the container."""
    for pod in pods:
        for container in pod["containers"]:
            if pod["workload"] == workload and container["name"] == name and container["pid"]:
                return psutil.Process(container["pid"]).environ()
    raise LookupError(f"no pod of {workload} runs: start it with delinkcious up")
