"""Starts what sends, as a process of its own, and reads what it counts; ends it whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from delinkcious.asking import INTERRUPTED, UNREACHABLE, Failed
from delinkcious.load.target import Target
from delinkcious.terminal import shown
from loadtest import refusal
from loadtest.mix import Mix
from loadtest.open_loop_main import Options, Stretch
from loadtest.tally import Line

SENDER = "loadtest.open_loop_main"
LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 30.0
LINE_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """What is common to both loops."""

    target: Target
    mix: Mix
    mix_file: Path
    accounts: int
    seed: int
    traced: float


@dataclass(frozen=True)
class Closed:
    """Locust's users: so many, for so long."""

    users: int
    seconds: float
    shape: str
    processes: int


@dataclass
class Running:
    """A process that sends."""

    process: asyncio.subprocess.Process
    errors: Path

    async def ended(self) -> None:
        """Wait for its end; raises Failed with its own words when it could not begin."""
        code = await self.process.wait()
        if code not in (0, 1, INTERRUPTED, -signal.SIGINT, -signal.SIGKILL):
            said = refusal.found(self.errors.read_text(errors="replace"))
            raise Failed(shown(said or f"the sender ended with {code}"), UNREACHABLE)

    async def stop(self) -> None:
        """Let it and its workers end what they do; not for ever, and nobody of them stays."""
        group = self.process.pid
        if self.process.stdin is not None:
            self.process.stdin.close()  # it may be waiting for another stretch
        try:
            # As Ctrl-C does on a terminal, to each of them: locust's master does not pass it on.
            if self.process.returncode is None:
                os.killpg(group, signal.SIGINT)
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self.process.wait()
                while self._has_workers():  # noqa: ASYNC110 - nobody tells of it
                    await asyncio.sleep(LOOK_EVERY_S)
        except (TimeoutError, ProcessLookupError):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        await self.process.wait()

    def _has_workers(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@asynccontextmanager
async def _started(arguments: Sequence[str], folder: Path) -> AsyncIterator[Running]:
    errors = folder / "errors"
    with errors.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if SENDER in arguments else stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C is for the command, which ends this one in order
            limit=LINE_LIMIT_BYTES,
        )
    running = Running(process, errors)
    try:
        yield running
    finally:
        await running.stop()


async def closed(plan: Plan, load: Closed, stopped: asyncio.Event) -> AsyncIterator[Line]:
    """Run locust; its lines as they come, until it ends, or after `stopped` until it has counted all."""
    with TemporaryDirectory(prefix="delinkcious-load-") as folder:
        record = Path(folder) / "record"
        record.mkdir()
        async with _started(_locust(plan, load, record), Path(folder)) as running:
            reading = _Reading(record)
            ending = asyncio.create_task(running.ended())
            stopping = asyncio.create_task(stopped.wait())
            try:
                while not ending.done() and not stopping.done():
                    await asyncio.wait(
                        [ending, stopping], timeout=LOOK_EVERY_S, return_when="FIRST_COMPLETED"
                    )
                    for line in reading.new():
                        yield line
                await running.stop()
                for line in reading.new():
                    yield line
                await ending
            finally:
                ending.cancel()
                stopping.cancel()


class _Reading:
    """What was not read yet of the files in a folder: whole lines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> list[Line]:
        found = []
        for file in sorted(self._folder.glob("*.jsonl")):
            with file.open("rb") as stream:
                stream.seek(self._read.get(file, 0))
                whole, newline, _ = stream.read().rpartition(b"\n")
            if newline:
                self._read[file] = self._read.get(file, 0) + len(whole) + 1
                found += [msgspec.json.decode(line, type=Line) for line in whole.splitlines()]
        return found


def _locust(plan: Plan, load: Closed, record: Path) -> list[str]:
    target = plan.target
    options = {
        "--host": target.url,
        "--users": str(load.users),
        "--run-time": f"{round(load.seconds)}s",
        "--stop-timeout": "10",
        "--shape": load.shape,
        "--mix": str(plan.mix_file),
        "--accounts": str(plan.accounts),
        "--seed": str(plan.seed),
        "--traced": str(plan.traced),
        "--source": target.source,
        "--ca": target.ca,
        "--record": str(record),
    }
    words = ["-m", "loadtest", "--headless", "--only-summary"]
    words += [f"{name}={value}" for name, value in options.items() if value]
    words += [f"--processes={load.processes}"] if load.processes > 1 else []
    return words + (["--i-own-this-host"] if target.owned else [])


class OpenLoop:
    """A sender of the open loop, signed in: stretches of load one after the other."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def send(self, stretch: Stretch, stopped: asyncio.Event) -> AsyncIterator[Line]:
        """Its lines, up to the last answer, or until `stopped`."""
        stdin = self._running.process.stdin
        if stdin is None:
            raise RuntimeError("the sender has no input")
        stdin.write(msgspec.json.encode(stretch) + b"\n")
        await stdin.drain()
        async for line in self.lines(stopped):
            yield line
            if line.event == "done":
                return

    async def lines(self, stopped: asyncio.Event) -> AsyncIterator[Line]:
        """Whatever it says, until it ends or `stopped`."""
        stdout = self._running.process.stdout
        if stdout is None:
            raise RuntimeError("the sender has no output")
        stopping = asyncio.create_task(stopped.wait())
        try:
            while True:
                reading = asyncio.create_task(stdout.readline())
                await asyncio.wait([reading, stopping], return_when="FIRST_COMPLETED")
                if not reading.done():
                    reading.cancel()
                    return
                if not (text := reading.result()):
                    await self._running.ended()
                    return
                yield msgspec.json.decode(text, type=Line)
        finally:
            stopping.cancel()

    @property
    def pid(self) -> int:
        return self._running.process.pid


@asynccontextmanager
async def open_loop(plan: Plan, stopped: asyncio.Event) -> AsyncIterator[OpenLoop]:
    """A sender whose accounts are signed in. Raises Failed when it cannot begin."""
    target = plan.target
    options = Options(
        target.url, plan.mix, target.ca, target.source, plan.accounts, plan.seed, plan.traced, target.owned
    )
    with TemporaryDirectory(prefix="delinkcious-load-") as folder:
        async with _started(["-m", SENDER], Path(folder)) as running:
            if running.process.stdin is not None:
                running.process.stdin.write(msgspec.json.encode(options) + b"\n")
            loop = OpenLoop(running)
            async for line in loop.lines(stopped):
                if line.event == "ready":
                    break
            yield loop
