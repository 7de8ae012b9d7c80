"""One supervised process: started, probed, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from mesh.local.runtime.backoff import Backoff
from mesh.local.runtime.hints import astray, hints
from mesh.local.runtime.probes import EAGER_PERIOD_S, Action, Probe, Probes
from mesh.local.runtime.process import Command, Process, last_lines, trim

CRASH_LINES = 12
BACKTRACE_LINES = 60
BACKTRACE = re.compile(r"\[(envoy_bug|backtrace)\]")  # Envoy's, of addresses that say nothing to anybody
TRIM_PERIOD_S = 10.0
LOCATE_PERIOD_S = 1.0
HOOK_WITHIN_S = 3600.0  # a postStart hook has no limit of its own
LOST_AFTER_S = 30.0
LOOK_AFTER_S = 2.0  # of a process that is not ready: by then it listens, perhaps elsewhere

RestartPolicy = Literal["Always", "OnFailure", "Never"]
Attempt = Callable[[Action, float], Awaitable[str | None]]
Locate = Callable[[str], str | None]  # a program by its name; may take a while, so it runs in a thread
Start = Callable[[Command], Awaitable[Process]]
Clear = Callable[[int], Awaitable[None]]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Definition:
    """What a container is: `attempt` carries out the actions of its probes and hooks.

    It is to listen at one of `expected`. With `locate` its program may come later: it is started once that is
    found. `start` begins a process; `clear` ends what one that has ended, by its pid, has left behind.
    """

    name: str
    command: Command
    probes: Probes
    restart: RestartPolicy
    attempt: Attempt
    grace_s: float = 30.0
    pre_stop: Action | None = None
    post_start: Action | None = None
    expected: tuple[tuple[str, int], ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    locate: Locate | None = None
    start: Start = Process.start
    clear: Clear | None = None


class Container:
    """Runs a definition until `stop`, or until its restart policy says that it is finished.

    `state` and `reason` say in kubectl's words how it is; `changed` is called whenever they or `ready`
    change, `report` with lines for people.
    """

    def __init__(self, definition: Definition, changed: Callable[[], None], report: Report) -> None:
        self.definition = definition
        self.ready = False
        self.state: Literal["Waiting", "Running", "Terminated"] = "Waiting"
        self.reason = "starting"
        self.restarts = 0
        self.exit_code: int | None = None
        self.last_words: tuple[str, ...] = ()  # of the process that died last, for people
        self.pause_s = 0.0  # until the next start of what died; 0 while it runs
        self._changed = changed
        self._report = report
        self._process: Process | None = None
        self._ended: Process | None = None  # was not alive, and is to end
        self._look_at = 0.0  # when, if it is not ready, to see where it listens
        self._astray = ""
        self._astray_since = 0.0
        self._stopping = asyncio.Event()
        self.finished = asyncio.Event()
        self.started = asyncio.Event()  # its postStart and its startup probe have succeeded

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.running else None

    @property
    def stopping(self) -> bool:
        """It ends, or has ended, and does not start again."""
        return self._stopping.is_set() or self.finished.is_set()

    @property
    def ending(self) -> bool:
        """Its process was told to end."""
        return self._stopping.is_set() or (self._process is not None and self._process is self._ended)

    async def run(self) -> int:
        """Run until finished; the last exit code."""
        try:
            return await self._lives()
        finally:
            self.finished.set()

    async def _lives(self) -> int:
        backoff = Backoff()
        while True:
            if self._stopping.is_set():
                self._become("Terminated", "stopped before it started")
                return 0
            if (command := await self._found()) is None:
                continue
            started = time.monotonic()
            code = await self._life(command)
            self.exit_code = code
            if self._stopping.is_set() or not self._again(code):
                self._become("Terminated", "Completed" if code == 0 else f"exit code {code}")
                return code
            pause_s = backoff.next_s(time.monotonic() - started)
            self.pause_s = pause_s
            self._died(code, pause_s, crash_loop=backoff.deaths > 1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            if self._stopping.is_set():
                self._become("Terminated", f"exit code {code}")
                return code
            self.pause_s = 0.0
            self.restarts += 1

    async def stop(self, grace_s: float | None = None) -> None:
        """preStop hook, then the stop signal, then, when the grace period is over, the end."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        grace_s = self.definition.grace_s if grace_s is None else grace_s
        deadline = time.monotonic() + grace_s
        self._set_ready(False)
        if (process := self._process) is None:
            return
        if (hook := self.definition.pre_stop) is not None and process.running:
            failure = await self.definition.attempt(hook, grace_s)
            if failure is not None:
                self._report(f"{self.definition.name}: preStop: {failure}")
        await process.stop(max(0.0, deadline - time.monotonic()), self.definition.stop_signal)
        if hook is not None:  # it may have outlived the process
            await self._clear(process)

    def kill(self) -> None:
        """Let the process die; it starts again by the restart policy."""
        if self._process is not None:
            self._process.send(signal.SIGKILL)

    def _again(self, code: int) -> bool:
        policy = self.definition.restart
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _found(self) -> Command | None:
        """What to run, once its program is there; None when it was stopped before."""
        definition, command = self.definition, self.definition.command
        if definition.locate is None:
            return command
        program, *arguments = command.argv
        while (path := await asyncio.to_thread(definition.locate, program)) is None:
            self._become("Waiting", f"waiting for its program: {program}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOCATE_PERIOD_S)
            if self._stopping.is_set():
                return None
        return replace(command, argv=(path, *arguments))

    async def _life(self, command: Command) -> int:
        if command.log.exists():
            command.log.replace(command.log.with_suffix(".previous.log"))
        try:
            self._process = await self.definition.start(command)
        except OSError as error:  # the working directory is missing, or the machine is out of processes
            with contextlib.suppress(OSError):
                command.log.write_text(f"cannot start in {command.cwd}: {error.strerror}\n")
            return 126
        try:
            return await self._lasts(self._process)
        finally:
            await self._clear(self._process)

    async def _lasts(self, process: Process) -> int:
        """From the start of a process to its end; its exit code."""
        if self._stopping.is_set():  # while it started
            return await process.stop(self.definition.grace_s, self.definition.stop_signal)
        self._become("Running", "")
        self._look_at, self._astray = time.monotonic() + LOOK_AFTER_S, ""
        watching = [asyncio.create_task(self._probe()), asyncio.create_task(self._trim())]
        try:
            return await process.wait()
        finally:
            for task in watching:
                task.cancel()
            for result in await asyncio.gather(*watching, return_exceptions=True):
                if isinstance(result, Exception):  # a mistake of the mesh itself must not stay unseen
                    self._report(f"{self.definition.name}: internal error in its probes: {result!r}")
            self._set_ready(False)

    async def _clear(self, process: Process) -> None:
        if self.definition.clear is not None:
            await self.definition.clear(process.pid)

    async def _probe(self) -> None:
        definition, probes = self.definition, self.definition.probes
        if (hook := definition.post_start) is not None:
            failure = await definition.attempt(hook, HOOK_WITHIN_S)
            if failure is not None:
                await self._end(f"has not done its postStart: {failure}")
                return
        if probes.startup is not None and not await self._started(probes.startup):
            return
        self.started.set()
        await asyncio.gather(self._watch_readiness(probes.readiness), self._watch_liveness(probes.liveness))

    async def _started(self, probe: Probe) -> bool:
        deadline = time.monotonic() + probe.budget_s
        await asyncio.sleep(probe.initial_delay_s)
        while (failure := await self._try(probe)) is not None:
            self._explain(f"startup: {failure}")
            if time.monotonic() > deadline:
                await self._end(f"has not started within {probe.budget_s:g} s: {failure}", probe.grace_s)
                return False
            await asyncio.sleep(min(probe.period_s, EAGER_PERIOD_S))
        return True

    async def _watch_readiness(self, probe: Probe | None) -> None:
        if probe is None:
            self._set_ready(True)
            return
        await asyncio.sleep(probe.initial_delay_s)
        successes = failures = 0
        while True:
            failure = await self._try(probe)
            successes, failures = (successes + 1, 0) if failure is None else (0, failures + 1)
            if successes >= probe.success_threshold:
                self._set_ready(True)
            elif failures >= probe.failure_threshold:
                self._set_ready(False)
            if failure is not None:
                self._explain(f"readiness: {failure}")
            await asyncio.sleep(probe.period_s if self.ready else min(probe.period_s, EAGER_PERIOD_S))

    async def _watch_liveness(self, probe: Probe | None) -> None:
        if probe is None:
            return
        await asyncio.sleep(probe.initial_delay_s)
        failures = 0
        while failures < probe.failure_threshold:
            await asyncio.sleep(probe.period_s)
            failure = await self._try(probe)
            failures = 0 if failure is None else failures + 1
        await self._end(f"is not alive: {failure}", probe.grace_s)

    async def _try(self, probe: Probe) -> str | None:
        return await self.definition.attempt(probe.action, probe.timeout_s)

    async def _end(self, why: str, grace_s: float | None = None) -> None:
        if self._process is not None and not self._stopping.is_set():
            self._report(f"{self.definition.name} {why}; starting it again")
            self._ended = self._process
            self._set_ready(False)
            grace_s = self.definition.grace_s if grace_s is None else grace_s
            await self._process.stop(grace_s, self.definition.stop_signal)

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(TRIM_PERIOD_S)
            await asyncio.to_thread(trim, self.definition.command.log)

    def _died(self, code: int, pause_s: float, *, crash_loop: bool) -> None:
        self._become("Waiting", "CrashLoopBackOff" if crash_loop else f"exit code {code}")
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        command = self.definition.command
        last = last_lines(command.log, CRASH_LINES + BACKTRACE_LINES)
        telling = [line for line in last if not BACKTRACE.search(line)][-CRASH_LINES:]
        self.last_words = (*telling, *hints(command, telling))
        lines = [f"{self.definition.name} ended ({how}) in {command.cwd}; starting it again in {pause_s:g} s"]
        self._report("\n".join([*lines, *(f"    {line}" for line in self.last_words)]))

    def _explain(self, reason: str) -> None:
        if not self.ready and self.state == "Running":
            if time.monotonic() > self._look_at and self.pid is not None:
                self._look_at = time.monotonic() + LOOK_AFTER_S
                self._note(astray(self.definition.expected, self.pid))
            self.reason = reason + self._astray

    def _note(self, where: str) -> None:
        """Take down where it listens instead; people are told once."""
        if where and not self._astray:
            self._astray_since = time.monotonic()
            self._report(self.definition.name + where.removeprefix(";"))
        self._astray = where

    @property
    def lost(self) -> bool:
        """It has long listened where nobody asks: it will not come by itself."""
        return bool(self._astray) and time.monotonic() - self._astray_since > LOST_AFTER_S

    def _set_ready(self, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            self.reason = "" if ready else self.reason
            self._astray = "" if ready else self._astray
            self._changed()

    def _become(self, state: Literal["Waiting", "Running", "Terminated"], reason: str) -> None:
        self.state, self.reason = state, reason
        self._changed()
