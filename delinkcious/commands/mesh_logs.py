"""`delinkcious mesh logs`: which file is meant, and how it is printed."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click

from delinkcious.commands.mesh_options import meant, namespace_option, state_option
from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.process import skip_to_tail
from mesh.local.runtime.reference import chosen
from mesh.local.runtime.state import State

FOLLOW_S = 0.1


@click.command()
@click.argument("pod", metavar="POD|deployment/NAME")
@click.option("-c", "--container", help="istio-proxy is the sidecar [default: the first]")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until interrupted.")
@click.option("--tail", type=click.IntRange(min=0), help="Only so many of the last lines.")
@click.option("-p", "--previous", is_flag=True, help="Of the process before the last restart.")
@namespace_option
@state_option
def logs(
    pod: str,
    container: str | None,
    follow: bool,
    tail: int | None,
    previous: bool,
    namespace: str | None,
    state: Path | None,
) -> None:
    """Print what a pod's process wrote, also when the mesh is down."""
    print_log(log_file(meant(state), pod, container, namespace, previous=previous), follow=follow, tail=tail)


def log_file(state: State, pod: str, container: str | None, namespace: str | None, *, previous: bool) -> Path:
    """The log that a pod's name means. Raises NotFound, naming what there is."""
    # Of a Deployment's pods the one that wrote last.
    written = sorted(state.pods.glob("*/*/logs"), key=lambda logs: logs.stat().st_mtime, reverse=True)
    found = chosen(pod, namespace, [(logs.parent.parent.name, logs.parent.name) for logs in written])
    folder = state.pods.joinpath(*found, "logs")
    logs = sorted(file.name.removesuffix(".log") for file in folder.glob("*.log"))
    names = [name for name in logs if "." not in name]
    own = [name for name in names if name != PROXY_CONTAINER]
    picked = container or (own or names or [PROXY_CONTAINER])[0]
    file = folder / (f"{picked}.previous.log" if previous else f"{picked}.log")
    if not file.is_file():
        what = "has not been restarted" if previous and picked in names else "has no log"
        raise NotFound(f"container {picked} of {pod} {what}; containers: {', '.join(names) or 'none'}")
    return file


def print_log(file: Path, *, follow: bool, tail: int | None = None) -> None:
    """Copy a log to standard output; with `follow` also what comes, over restarts of the process."""
    stream = file.open("rb")
    try:
        if tail is not None:
            skip_to_tail(stream, tail)
        while True:
            shutil.copyfileobj(stream, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            if not follow:
                return
            time.sleep(FOLLOW_S)
            if file.exists() and file.stat().st_ino != _inode(stream.fileno()):
                shutil.copyfileobj(stream, sys.stdout.buffer)
                stream.close()
                stream = file.open("rb")
    except (KeyboardInterrupt, BrokenPipeError):
        return
    finally:
        stream.close()


def _inode(descriptor: int) -> int:
    return Path(f"/proc/self/fd/{descriptor}").stat().st_ino
