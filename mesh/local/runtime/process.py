"""One operating-system process of the mesh: started in a session of its own, ended with its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from mesh.local.runtime import launch, sweep

LOG_LIMIT_BYTES = 16 * 2**20
LAST_LINES_BYTES = 16 * 2**10


@dataclass(frozen=True)
class Command:
    """What to run for the mesh of the folder `state`; output of both streams is appended to `log`."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)  # may hold secrets
    cwd: Path
    log: Path
    state: Path

    def open_log(self) -> int:
        """A descriptor for its output, which is appended."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


class Running(Protocol):
    """What is needed of a process, whoever is its parent."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, number: int) -> None: ...

    def kill(self) -> None: ...


def ending_with_us(*argv: str) -> tuple[str, ...]:
    """The command line of a program that dies with this supervisor."""
    return (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *argv)


async def remember(state: Path, process: Running) -> None:
    """Let a later sweep find a process that leads its own session; raises OSError, and ends it."""
    try:
        sweep.record(state, process.pid)
    except OSError:  # nobody would know of it
        process.kill()
        await process.wait()
        raise


class Process:
    """A started process; `wait` must be awaited by whoever started it."""

    def __init__(self, state: Path, process: Running) -> None:
        self._state = state
        self._process = process

    @classmethod
    async def start(cls, command: Command) -> Process:
        """Start it; a program that does not exist shows as exit code 127 and a line in the log."""
        descriptor = command.open_log()
        try:
            process = await asyncio.create_subprocess_exec(
                *ending_with_us(*command.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd=command.cwd,
                env={**command.env, sweep.MARK: str(command.state)},
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        return await cls.adopt(command, process)

    @classmethod
    async def adopt(cls, command: Command, process: Running) -> Process:
        """Keep a process that leads its own session; it is ended when that is not possible."""
        await remember(command.state, process)
        return cls(command.state, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """The exit code, negative for a signal; what the process left behind in its group is killed."""
        code = await self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        sweep.forget(self._state, self.pid)
        return code

    def send(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, grace_s: float, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and make it end after `grace_s` seconds."""
        self.send(number)
        try:
            return await asyncio.wait_for(asyncio.shield(self.wait()), grace_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            return await self.wait()


class Guardian:
    """The process that ends all others when the supervisor is killed; itself replaced when killed."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._pipe: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await self._spawn()
        self._task = asyncio.create_task(self._keep(self._process), name="guardian")

    async def stop(self) -> None:
        """Say farewell: everything was ended in order."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, sweep.FAREWELL)
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            await self._process.wait()

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        while True:
            await process.wait()
            process = self._process = await self._spawn()

    async def _spawn(self) -> asyncio.subprocess.Process:
        theirs, ours = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                sweep.__file__,
                str(self._state),
                stdin=theirs,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = ours
        return process


def last_lines(log: Path, count: int, size_bytes: int = LAST_LINES_BYTES) -> list[str]:
    """The last lines of a log, without reading more of it than its last `size_bytes`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - size_bytes))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def trim(log: Path) -> None:
    """Keep a log from filling the disk: what is there moves to `.1`, writers go on at the start."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT_BYTES:
            with log.open("rb+") as file, log.with_suffix(log.suffix + ".1").open("wb") as kept:
                os.fchmod(kept.fileno(), 0o600)
                while chunk := file.read(2**20):
                    kept.write(chunk)
                file.truncate(0)


def skip_to_tail(stream: BinaryIO, tail: int) -> None:
    """Go to where the last `tail` lines of a log begin; it is LOG_LIMIT_BYTES at most."""
    begins: deque[int] = deque(maxlen=tail)
    end = 0
    for line in stream:
        begins.append(end)
        end += len(line)
    stream.seek(begins[0] if begins else end)
