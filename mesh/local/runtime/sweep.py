"""End every process of a mesh, however its supervisor died.

A process belongs to a mesh when it carries the mesh's mark in its environment, when it is in the
process group or session of a recorded process, or when it descends from one that does. Run as a
script this is the mesh's guardian: it waits on a pipe from the supervisor and sweeps when the pipe
breaks. Standard library only, so that the guardian starts fast and stays small.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MARK = "DELINKCIOUS_MESH"
RECORDS = "run"  # folder of the state folder: one file per process, its name the pid, its text the start time
FAREWELL = b"q"
ROUNDS = 100
PAUSE_S = 0.02


class Seen(NamedTuple):
    """One line of /proc/PID/stat; `started_at` is in clock ticks since boot."""

    pid: int
    zombie: bool
    parent: int
    group: int
    session: int
    started_at: str


def look(pid: int) -> Seen | None:
    """What the kernel says of a process; None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return Seen(pid, fields[0] in "ZX", int(fields[1]), int(fields[2]), int(fields[3]), fields[19])


def record(state: Path, pid: int) -> None:
    """Remember a process that leads its own session, so that a later sweep finds it."""
    seen = look(pid)
    if seen is not None:
        (state / RECORDS / str(pid)).write_text(seen.started_at)


def forget(state: Path, pid: int) -> None:
    (state / RECORDS / str(pid)).unlink(missing_ok=True)


def sweep(state: Path) -> int:
    """Kill whatever belongs to the mesh until nothing does; returns how many processes were killed."""
    killed: set[int] = set()
    for _ in range(ROUNDS):
        members = belonging(state)
        if not members:
            break
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= members
        time.sleep(PAUSE_S)
    for file in recorded(state):
        file.unlink(missing_ok=True)
    return len(killed)


def belonging(state: Path) -> set[int]:
    """The living processes of the mesh, without the caller and its ancestors."""
    living = {seen.pid: seen for seen in processes() if not seen.zombie}
    leaders = {
        int(file.name)
        for file in recorded(state)
        if int(file.name) not in living or living[int(file.name)].started_at == _text(file)
    }
    mark = str(state).encode()
    members = {
        pid
        for pid, seen in living.items()
        if {pid, seen.group, seen.session} & leaders or variable(pid, MARK) == mark
    }
    while more := {pid for pid, seen in living.items() if seen.parent in members} - members:
        members |= more
    caller: int | None = os.getpid()
    while caller in living:
        members.discard(caller)
        caller = living[caller].parent
    return members


def recorded(state: Path) -> list[Path]:
    folder = state / RECORDS
    return [file for file in folder.iterdir() if file.name.isdigit()] if folder.is_dir() else []


def processes() -> Iterator[Seen]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (seen := look(int(name))) is not None:
            yield seen


def variable(pid: int, name: str) -> bytes | None:
    """A variable of the environment that a process began with; None without, or if nobody may look."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = b"\0" + file.read()
    except OSError:
        return None
    _, found, rest = text.partition(f"\0{name}=".encode())
    return rest.partition(b"\0")[0] if found else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def guard(state: Path) -> None:
    """Wait for the supervisor's farewell on standard input; sweep when it goes without one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.read(0, 1) != FAREWELL:
        sweep(state)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
