"""`delinkcious mesh logs`: which file is meant, and how it is printed."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from delinkcious.commands.mesh_options import meant, namespace_option, selector_option, state_option
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.pod import ORDER
from mesh.local.runtime.process import skip_to_tail
from mesh.local.runtime.reference import chosen
from mesh.local.runtime.state import State
from mesh.local.schema.selectors import fits

FOLLOW_S = 0.1
SEVERAL_TAIL = 10  # kubectl's


@click.command()
@click.argument("pod", metavar="[POD|KIND/NAME]", required=False)
@selector_option
@click.option("-c", "--container", help="istio-proxy is the sidecar [default: the first]")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until interrupted.")
@click.option("--tail", type=click.IntRange(min=0), help="Only so many of the last lines [with -l: 10].")
@click.option("-p", "--previous", is_flag=True, help="Of the process before the last restart.")
@click.option("--prefix", is_flag=True, help="Begin every line with the pod that wrote it.")
@namespace_option
@state_option
def logs(
    pod: str | None,
    selector: dict[str, Any] | None,
    container: str | None,
    follow: bool,
    tail: int | None,
    previous: bool,
    prefix: bool,
    namespace: str | None,
    state: Path | None,
) -> None:
    """Print what a pod's process wrote, also when the mesh is down; with -l what several pods wrote."""
    where = meant(state)
    if (pod is None) == (selector is None):
        raise click.UsageError("say whose logs: POD, KIND/NAME, or -l LABEL=VALUE")
    pods = [pod] if pod is not None else _selected(where, selector or {}, namespace)
    tail = SEVERAL_TAIL if selector is not None and tail is None else tail
    streams = []
    for one in pods:
        file = log_file(where, one, container, namespace, previous=previous)
        told = f"[{file.parent.parent.name}/{file.name.partition('.')[0]}] " if prefix else ""
        streams.append(Stream(file, tail, told.encode()))
    print_logs(streams, follow=follow)


def _selected(state: State, selector: dict[str, Any], namespace: str | None) -> list[str]:
    """The running pods with these labels. Raises NotFound."""
    rows = Client(state).get("/get/pods", **({"namespace": namespace} if namespace else {}))
    found = [f"{row['namespace']}/{row['name']}" for row in rows if fits(selector, row["labels"])]
    if not found:
        raise NotFound("no pod has these labels; `delinkcious mesh get pods -o json` shows their labels")
    return found


def log_file(state: State, pod: str, container: str | None, namespace: str | None, *, previous: bool) -> Path:
    """The log that a pod's name means. Raises NotFound, naming what there is."""
    # Of a workload's pods the one that wrote last.
    written = sorted(state.pods.glob("*/*/logs"), key=lambda logs: logs.stat().st_mtime, reverse=True)
    found = chosen(pod, namespace, [(logs.parent.parent.name, logs.parent.name) for logs in written])
    folder = state.pods.joinpath(*found, "logs")
    logs = sorted(file.name.removesuffix(".log") for file in folder.glob("*.log"))
    names = [name for name in logs if "." not in name]
    order = folder / ORDER
    first = order.read_text().split() if order.is_file() else []
    own = [name for name in (*first, *names) if name in names and name != PROXY_CONTAINER]
    picked = container or (own or names or [PROXY_CONTAINER])[0]
    file = folder / (f"{picked}.previous.log" if previous else f"{picked}.log")
    if not file.is_file():
        what = "has not been restarted" if previous and picked in names else "has no log"
        raise NotFound(f"container {picked} of {pod} {what}; containers: {', '.join(names) or 'none'}")
    return file


class Stream:
    """One log as it is printed, over restarts of its process; each line may begin with `prefix`."""

    def __init__(self, file: Path, tail: int | None, prefix: bytes) -> None:
        self._file, self._prefix, self._rest = file, prefix, b""
        self._stream = file.open("rb")
        if tail is not None:
            skip_to_tail(self._stream, tail)

    def copy(self) -> None:
        """Print what there is now."""
        self._print()
        if self._file.exists() and self._file.stat().st_ino != _inode(self._stream.fileno()):
            self._print()
            self._stream.close()
            self._stream = self._file.open("rb")

    def _print(self) -> None:
        if not self._prefix:
            shutil.copyfileobj(self._stream, sys.stdout.buffer)
            return
        *lines, self._rest = (self._rest + self._stream.read()).split(b"\n")
        sys.stdout.buffer.writelines(self._prefix + line + b"\n" for line in lines)

    def close(self) -> None:
        if self._rest:
            sys.stdout.buffer.write(self._prefix + self._rest + b"\n")
        self._stream.close()


def print_logs(streams: Sequence[Stream], *, follow: bool) -> None:
    """Copy logs to standard output; with `follow` also what comes."""
    try:
        while True:
            for stream in streams:
                stream.copy()
            sys.stdout.buffer.flush()
            if not follow:
                return
            time.sleep(FOLLOW_S)
    except (KeyboardInterrupt, BrokenPipeError):
        return
    finally:
        with contextlib.suppress(BrokenPipeError):
            for stream in streams:
                stream.close()


def _inode(descriptor: int) -> int:
    return Path(f"/proc/self/fd/{descriptor}").stat().st_ino
