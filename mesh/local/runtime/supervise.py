"""The life of a supervisor process: in the foreground, detached, and brought to its end from outside."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psutil
import uvloop

from mesh.local.runtime import sweep
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError, MeshNotRunning, NotReady
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.process import last_lines, trim
from mesh.local.runtime.state import State

POLL_S = 0.05
STOPPING_WITHIN_S = 5.0
ENDED_WITHIN_S = 60.0
KILLED_WITHIN_S = 5.0
LAST_LINES = 40
TRIM_PERIOD_S = 60.0
# What `reporter` writes before a line, of no use to who reads it now.
DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ")


def reporter() -> Callable[[str], None]:
    """Prints what a mesh reports; into a file with the time, since others read it there much later."""
    if not stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
        return print

    def dated(text: str) -> None:
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z {text}\n")
        sys.stdout.flush()

    return dated


def run(mesh: Mesh, came_up: Callable[[], None]) -> None:
    """Run a mesh in this process until SIGINT or SIGTERM. `came_up` is called once. Raises MeshError."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(mesh, came_up))


async def _run(mesh: Mesh, came_up: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, mesh.stop)

    async def announce() -> None:
        await mesh.up.wait()
        _keep_collections_short()
        await asyncio.to_thread(came_up)  # it may ask this very mesh, over its control socket

    async def bound_output() -> None:
        while True:
            await asyncio.sleep(TRIM_PERIOD_S)
            await asyncio.to_thread(trim, mesh.state.output)

    beside = [asyncio.create_task(announce()), asyncio.create_task(bound_output())]
    try:
        await mesh.run()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


def _keep_collections_short() -> None:
    """Leave what stands now out of garbage collections: a whole one takes 25 ms, in the middle of an edit."""
    gc.collect()
    gc.freeze()


def detach(arguments: Sequence[str], state: State, within_s: float) -> None:
    """Start `delinkcious ARGUMENTS` as a process of its own and wait until its mesh is up.

    Raises:
        MeshBusy: another start was faster, or a mesh runs already.
        NotReady: it ended, a container keeps crashing, or it took longer; with the last lines of its
            output. Nothing is left running.
    """
    state.create()
    if state.holder() is not None:
        raise state.busy()
    descriptor = os.open(state.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "delinkcious", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    try:
        _until_up(process, state, time.monotonic() + within_s)
    except NotReady as error:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDED_WITHIN_S)
        if state.holder() not in (None, process.pid):  # another start was faster
            raise state.busy() from None
        down(state)
        lines = "\n".join(DATED.sub("", line, count=1) for line in last_lines(state.output, LAST_LINES))
        raise NotReady(f"{error}\n{lines}") from None


def join(state: State, within_s: float) -> None:
    """Wait until the mesh that somebody else has started is up. Raises NotReady."""
    deadline, reasons = time.monotonic() + within_s, ""
    while state.holder() is not None:
        with contextlib.suppress(MeshNotRunning):
            status = Client(state).get("/status")
            if status["up"]:
                return
            reasons = "; ".join(status["waitingFor"])
        if time.monotonic() > deadline:
            raise NotReady(f"the mesh that another start began did not come up in time: {reasons}")
        time.sleep(POLL_S)
    raise NotReady(f"the mesh that another start began has ended; {state.output} says why")


def _until_up(process: subprocess.Popen[bytes], state: State, deadline: float) -> None:
    client = Client(state)
    reasons = ""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotReady(f"the mesh ended with exit code {process.returncode}")
        with contextlib.suppress(MeshNotRunning):
            status = client.get("/status")
            ours = status["pid"] == process.pid  # else another start was faster, and ours is about to end
            if ours and status["up"]:
                return
            reasons = "; ".join(status["waitingFor"])
            if ours and (status["failed"] or status["crashing"]):
                crashing = [text.splitlines()[0] for text in status["crashing"]]  # its output has the rest
                raise NotReady("the mesh did not come up: " + "; ".join(status["failed"] + crashing))
        time.sleep(POLL_S)
    raise NotReady(f"the mesh did not come up in time: {reasons}")


def down(state: State) -> int:
    """End the mesh of a state folder however it is; returns how many processes had to be swept away."""
    pid = state.holder()
    if pid is not None:
        try:
            Client(state).post("/stop", within_s=STOPPING_WITHIN_S)
        except MeshError:  # it is still starting, or hangs
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if not _released(state, ENDED_WITHIN_S):
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
            if not _released(state, KILLED_WITHIN_S):
                raise MeshError(f"the supervisor (process {pid}) cannot be ended")
    return sweep.sweep(state.folder)


def _released(state: State, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while state.holder() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
