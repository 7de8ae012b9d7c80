"""`python -m mesh.canary --state FOLDER`: drives the rollouts of a local mesh until all have ended.

`python -m mesh.canary --kubernetes`: drives those of a namespace, for as long as it lives.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import click

from mesh.canary import home
from mesh.canary.controller import Controller
from mesh.canary.platform import PlatformError
from mesh.canary.runs.folder import Busy
from mesh.local.runtime.state import State
from telemetry import logs


@click.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="The local mesh's folder.")
@click.option("--kubernetes", is_flag=True, help="Drive those of Rollout objects instead.")
@click.option("--namespace", envvar="POD_NAMESPACE", help="[default: the kubeconfig's]")
@click.option("--context", help="Of the kubeconfig.")
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False), help="Where journals lie.")
@click.option("--prometheus", envvar="PROMETHEUS_URL", default="http://prometheus.observability:9090")
@click.option("--holder", envvar="POD_NAME", help="Who this is among controllers.")
@click.option("--listen", default="0.0.0.0", show_default=True)  # noqa: S104
@click.option("--port", default=8080, show_default=True)
def main(
    state: Path | None,
    kubernetes: bool,
    namespace: str | None,
    context: str | None,
    runs: Path | None,
    prometheus: str,
    holder: str | None,
    listen: str,
    port: int,
) -> None:
    """Drive every run of a mesh that nobody has ended."""
    if kubernetes == (state is not None):
        raise click.UsageError("say either --state FOLDER or --kubernetes")
    logs.configure("info", service="canary")
    if state is not None:
        mesh = State(state)
        try:
            return asyncio.run(Controller(home.folder(mesh), home.site(mesh)).work())
        except Busy as error:
            sys.exit(str(error))
    if runs is None:
        raise click.UsageError("--runs FOLDER: where journals lie")
    # Nothing else of this program needs a client of Kubernetes: it comes with an extra of the package.
    from mesh.canary.kubernetes.running import run

    name = holder or f"{socket.gethostname()}-{os.getpid()}"
    try:
        sys.exit(asyncio.run(run(context, namespace, runs, prometheus, name, listen, port)))
    except PlatformError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
