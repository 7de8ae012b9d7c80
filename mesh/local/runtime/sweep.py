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
LOOKS = 3  # in vain, once something was found: what starts another and ends may be missed by one


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
    looks = 1
    for _ in range(ROUNDS):
        found = set()
        for pid in _belonging(state):
            found.add(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found
        looks = LOOKS if found else looks - 1
        if not looks:
            break
        time.sleep(PAUSE_S)
    for file in recorded(state):
        file.unlink(missing_ok=True)
    return len(killed)


def belonging(state: Path) -> set[int]:
    """The living processes of the mesh, without the caller and its ancestors."""
    return set(_belonging(state))


def _belonging(state: Path) -> Iterator[int]:
    """The same; those that need no look at others as they are seen."""
    leaders = {int(file.name) for file in recorded(state) if _is_free_or(look(int(file.name)), _text(file))}
    spared = set(_ancestry(os.getpid()))
    mark = str(state).encode()
    living: dict[int, Seen] = {}
    members: set[int] = set()
    for seen in processes():
        if seen.zombie:
            continue
        living[seen.pid] = seen
        if {seen.pid, seen.group, seen.session} & leaders or variable(seen.pid, MARK) == mark:
            members.add(seen.pid)
            if seen.pid not in spared:
                yield seen.pid
    told = members | spared
    while more := {pid for pid, seen in living.items() if seen.parent in members} - members:
        members |= more
    yield from members - told


def _is_free_or(seen: Seen | None, started_at: str) -> bool:
    """Whether a pid is nobody's, or of the process that started then."""
    return seen is None or seen.zombie or seen.started_at == started_at


def _ancestry(pid: int) -> Iterator[int]:
    """A process and those that it descends from."""
    while (seen := look(pid)) is not None:
        yield pid
        pid = seen.parent


def recorded(state: Path) -> list[Path]:
    folder = state / RECORDS
    return [file for file in folder.iterdir() if file.name.isdigit()] if folder.is_dir() else []


def processes() -> Iterator[Seen]:
    """The newest first, mostly: they may be gone a moment later, and have started others."""
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True):
        if (seen := look(pid)) is not None:
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
