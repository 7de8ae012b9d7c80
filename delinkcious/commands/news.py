"""`delinkcious news`: one's news, and the timelines that they come from."""

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

WORKLOAD = "news-v1"
CONTAINER = "news"


@click.group()
def news() -> None:
    """Look after the news."""


@news.command()
@click.option(
    "--state", type=click.Path(path_type=Path), help="The local mesh's folder [default: .delinkcious]"
)
def rebuild(state: Path | None) -> None:
    """Build all timelines anew from links and follows, while readers go on reading.

    It runs in a pod of the news service, as `kubectl exec deploy/news-v1 -- python -m services.news rebuild`
    does on Kubernetes. The service does the same by itself when it finds that Redis was lost.
    """
    try:
        environment = _environment(Client(local.state(state)).get("/get/pods"))
    except (MeshError, LookupError, psutil.Error) as error:
        raise click.ClickException(str(error)) from error
    done = subprocess.run(
        [sys.executable, "-m", "services.news", "rebuild"], env=environment, cwd=local.project(), check=False
    )
    if done.returncode:
        raise SystemExit(done.returncode)


def _environment(pods: list[dict[str, Any]]) -> dict[str, str]:
    """That of a running news process: its settings, its secrets, its way through the sidecar."""
    for pod in pods:
        for container in pod["containers"]:
            if pod["workload"] == WORKLOAD and container["name"] == CONTAINER and container["pid"]:
                return psutil.Process(container["pid"]).environ()
    raise LookupError(f"no pod of {WORKLOAD} runs: start it with delinkcious up")
