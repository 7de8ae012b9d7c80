"""Python processes that are forked from one parent instead of started: in less time, in less memory.

A Pod asks for it by the annotation `delinkcious.io/preload`, which names the modules that its Python
programs import anyway. What is no module of this very interpreter is started as ever. A parent whose files
have changed since is replaced: a restarted process runs what is written now.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.local.runtime import forkserver, sweep
from mesh.local.runtime.process import Command, Process, ending_with_us, remember

# A parent imports a second's worth of modules, on a busy machine some more.
ANSWERS_WITHIN_S = 60.0
ENDS_WITHIN_S = 5.0
# A parent tells of a child's end within milliseconds, or it hangs. The time is waited for in so many parts:
# who stood still himself, and wakes when all of it has passed, has not read yet what he was told meanwhile.
TOLD_WITHIN_S = 3.0
PARTS = 6
# Variables that an interpreter, its libraries or its loader read when they start, and never again. Those that
# differ from Pod to Pod must not be among them, or each would have a parent of its own.
READ_AT_START = (
    *("PYTHON", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_", "SSL_", "LC_", "LANG", "TZ"),
    *("AIOHTTP_", "OTEL_PYTHON_", "PROMETHEUS_"),
)

Key = tuple[Path, tuple[tuple[str, str], ...]]


class Lost(Exception):
    """The parent does not answer any more, or what it has imported is out of date."""


class Unfit(Exception):
    """What is to be preloaded cannot be forked; the text says why."""


class Nursery:
    """The parents of a mesh's processes, one for each folder and set of variables that is read at start."""

    def __init__(self, state: Path, report: Callable[[str], None]) -> None:
        self._state = state
        self._report = report
        self._parents: dict[Key, _Parent] = {}
        self._every: list[_Parent] = []  # also those that are replaced and have children still
        self._lock = asyncio.Lock()

    async def start(self, command: Command, preload: tuple[str, ...]) -> Process:
        """Fork the process of `command`; or start it, where it cannot be forked."""
        module = _module(command)
        if module is None or not preload:
            return await Process.start(command)
        os.close(command.open_log())
        env = {**command.env, sweep.MARK: str(command.state)}
        request = {
            "argv": module,
            "title": command.argv,
            "env": env,
            "cwd": str(command.cwd),
            "log": str(command.log),
            "preload": preload,
        }
        key = (command.cwd, tuple(sorted((n, v) for n, v in env.items() if n.startswith(READ_AT_START))))
        for _ in range(2):
            try:
                forked = await self._fork(key, request)
            except Lost:
                continue
            except Unfit as why:
                self._report(f"{' '.join(command.argv)} is started, not forked: {why}")
                break
            return await Process.adopt(command, forked)
        return await Process.start(command)

    async def close(self) -> None:
        """End the parents, and with them what they have forked."""
        self._parents.clear()
        await asyncio.gather(*(parent.close() for parent in self._every))

    async def _fork(self, key: Key, request: Mapping[str, Any]) -> Forked:
        async with self._lock:
            parent = self._parents.get(key)
            if parent is None or not parent.alive:
                parent = self._parents[key] = await _Parent.start(self._state, key)
                self._every = [each for each in self._every if not each.gone] + [parent]
        try:
            return await parent.fork(request)
        except Lost:
            async with self._lock:
                if self._parents.get(key) is parent:
                    del self._parents[key]
            raise


@dataclass
class Forked:
    """A process that a parent has forked; as asyncio's own, as far as `Process` needs it."""

    pid: int
    returncode: int | None = None
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, code: int) -> None:
        self.returncode = code
        self.ended.set_result(code)


class _Parent:
    """A fork server and those of its children that live. It stays as long as one of them does."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        requests: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        state: Path,
    ) -> None:
        self._process = process
        self._requests = requests
        self._answers = answers
        self._state = state
        self._children: dict[int, Forked] = {}
        self._asked: deque[asyncio.Future[Forked]] = deque()
        self._retired = False
        self._reading = asyncio.create_task(self._read(), name="fork server")

    @classmethod
    async def start(cls, state: Path, key: Key) -> _Parent:
        folder, variables = key
        env = {**dict(variables), sweep.MARK: str(state)}
        process = await asyncio.create_subprocess_exec(
            *ending_with_us(sys.executable, "-m", forkserver.__name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=folder,
            env={**env, forkserver.ROOM: "." * forkserver.ROOM_BYTES},
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise Lost("it was started without its pipes")
        await remember(state, process)
        return cls(process, process.stdin, process.stdout, state)

    @property
    def alive(self) -> bool:
        return not self._retired and self._process.returncode is None

    @property
    def gone(self) -> bool:
        return self._reading.done()

    async def fork(self, request: Mapping[str, Any]) -> Forked:
        """Raises Lost and Unfit."""
        if not self.alive:
            raise Lost
        answer: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._requests.write(json.dumps(request).encode() + b"\n")
        try:
            return await asyncio.wait_for(asyncio.shield(answer), ANSWERS_WITHIN_S)
        except (TimeoutError, ConnectionError) as error:
            await self.close()
            raise Lost from error

    async def close(self) -> None:
        """End it, and with it its children."""
        self._retired = True
        self._requests.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        async for line in self._answers:
            said = json.loads(line)
            if "ended" in said:
                if (child := self._children.pop(said["ended"], None)) is not None:
                    child.end(said["code"])
                self._leave_when_done()
                continue
            answer = self._asked.popleft()
            if "unfit" in said:
                answer.set_exception(Unfit(said["unfit"]))
                continue
            if "stale" in said:
                self._retired = True
                answer.set_exception(Lost(said["stale"]))
                self._leave_when_done()
                continue
            child = self._children[said["forked"]] = Forked(said["forked"])
            self._watch(child)
            answer.set_result(child)
        # Its death is that of all its children: the kernel has seen to it.
        self._retired = True
        for answer in self._asked:
            answer.set_exception(Lost("the fork server has ended"))
        for child in self._children.values():
            child.end(-signal.SIGKILL)
        await self._process.wait()
        sweep.forget(self._state, self._process.pid)

    def _watch(self, child: Forked) -> None:
        """A parent that does not tell of a child's end hangs: it ends, and with it its children."""
        try:
            descriptor = os.pidfd_open(child.pid)
        except OSError:  # it has ended already
            return
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._kill_unless_told(child, PARTS)

        loop.add_reader(descriptor, ended)

    def _kill_unless_told(self, child: Forked, parts: int) -> None:
        if child.returncode is not None or self._process.returncode is not None:
            return
        if parts:
            loop = asyncio.get_running_loop()
            loop.call_later(TOLD_WITHIN_S / PARTS, self._kill_unless_told, child, parts - 1)
        else:
            self._retired = True
            self._process.kill()

    def _leave_when_done(self) -> None:
        """A parent that gets no more children ends with the last of them."""
        if self._retired and not self._children:
            self._requests.close()


def _module(command: Command) -> list[str] | None:
    """Module and arguments of `python -m MODULE ARGUMENT ...`, when that is this very interpreter."""
    program, *rest = command.argv
    if rest[:1] != ["-m"] or len(rest) < 2:
        return None
    found = shutil.which(program, path=command.env.get("PATH"))
    if found is None or Path(found).parent != Path(sys.executable).parent:
        return None
    return rest[1:] if os.path.samefile(found, sys.executable) else None
