"""Ends what containers leave behind: processes in sessions of their own, as daemons are.

A container of Kubernetes takes all its processes with it. Here they are known by the mark that every process
of a container inherits in its environment, by the session of its main process, and by descent from either.
One look at the machine's processes is for all containers that ended since the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from mesh.local.runtime import sweep
from mesh.local.runtime.sweep import Seen

MARK = "DELINKCIOUS_CONTAINER"
WITHIN_S = 5.0  # a killed process may have to wait for its disk
AT_ONCE = 100  # each takes a descriptor
REST_S = 0.2  # at most, between two looks


class Ended(NamedTuple):
    """A container without a main process; `leader` was that one's pid."""

    mark: str
    leader: int


def new_mark(container: str) -> str:
    """A value of the variable that no other container has, in this mesh or another."""
    return f"{container}/{secrets.token_hex(8)}"


class Leftovers:
    """Ends them in a thread, `report` gets lines for people."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._asked: list[tuple[Ended, asyncio.Future[None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def end(self, ended: Ended) -> None:
        """Return when nothing of a container runs any more, or cannot be ended."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.append((ended, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="leftovers")
        await done

    async def _work(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            began = time.monotonic()
            try:
                left = await asyncio.to_thread(clear, [ended for ended, _ in asked])
            except OSError as error:  # out of descriptors
                self._report(f"what ended containers have left behind is not looked for: {error}")
            else:
                if left:
                    pids = ", ".join(str(pid) for pid in sorted(left))
                    self._report(f"left behind by an ended container, and cannot be ended: process {pids}")
            for _, done in asked:
                if not done.done():
                    done.set_result(None)
            if self._asked:  # half of the time belongs to others
                await asyncio.sleep(min(REST_S, time.monotonic() - began))


def clear(ended: Collection[Ended]) -> set[int]:
    """Kill what belongs to these until nothing does; the pids that could not be ended."""
    deadline = time.monotonic() + WITHIN_S
    hopeless: set[int] = set()
    looks = 1
    while looks:
        if time.monotonic() > deadline:
            return hopeless | {seen.pid for seen in belonging(ended)}
        found = _kill_all(ended, hopeless, deadline)
        looks = sweep.LOOKS if found else looks - 1
    return hopeless


def _kill_all(ended: Collection[Ended], hopeless: set[int], deadline: float) -> bool:
    """Kill what is seen in one look, and wait for its end; whether there was anything.

    Who may not be killed becomes hopeless. Each is killed when it is seen, not when all are.
    """
    found = False
    with contextlib.ExitStack() as open_ones:
        dying: list[int] = []
        for seen in belonging(ended):
            if seen.pid in hopeless:
                continue
            found = True
            try:
                dying.append(_kill(seen))
                open_ones.callback(os.close, dying[-1])
            except ProcessLookupError:  # it has ended by itself
                continue
            except PermissionError:  # a program that runs as somebody else
                hopeless.add(seen.pid)
            if len(dying) == AT_ONCE:
                break
        _wait(dying, deadline)
    return found


def belonging(ended: Collection[Ended]) -> Iterator[Seen]:
    """The living processes that ended containers have left behind; those with a mark as they are seen."""
    living: dict[int, Seen] = {}
    marks = {each.mark.encode() for each in ended}
    members: set[int] = set()
    for seen in sweep.processes():
        if seen.zombie:
            continue
        living[seen.pid] = seen
        if sweep.variable(seen.pid, MARK) in marks:
            members.add(seen.pid)
            yield seen
    # A number that is alive is another process's by now, and so is its session.
    sessions = {each.leader for each in ended} - living.keys()
    told = set(members)
    members |= {pid for pid, seen in living.items() if seen.session in sessions}
    while more := {pid for pid, seen in living.items() if seen.parent in members} - members:
        members |= more
    yield from (living[pid] for pid in members - told)


def _kill(seen: Seen) -> int:
    """A descriptor that tells of its end. Raises ProcessLookupError, PermissionError."""
    descriptor = os.pidfd_open(seen.pid)
    try:
        now = sweep.look(seen.pid)
        # The descriptor is of one process for ever: what has the same start is the one that was seen.
        if now is None or now.started_at != seen.started_at:
            raise ProcessLookupError(seen.pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _wait(descriptors: Iterable[int], deadline: float) -> None:
    """Until all of these processes have ended."""
    alive = set(descriptors)
    waiting = select.poll()
    for descriptor in alive:
        waiting.register(descriptor, select.POLLIN)
    while alive and (rest_s := deadline - time.monotonic()) > 0:
        for descriptor, _ in waiting.poll(rest_s * 1000):
            waiting.unregister(descriptor)
            alive.discard(descriptor)
