"""A parent that has imported what several processes need, and forks them: they start at once and share it.

Run as a module by the supervisor (`nursery.py`). It gets JSON lines on standard input: `{"argv": [module,
argument ...], "env": {...}, "cwd": "...", "log": "...", "title": [...], "preload": [module ...]}`, and gives
JSON lines on standard output: `{"forked": pid}`, or `{"stale": path}` when a file that was imported is
another one now, or `{"unfit": reason}`; and `{"ended": pid, "code": code}` whenever a child ends. It ends,
with its children, when its input does. Standard library only, and no thread: what forks must not have any.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

PR_SET_PDEATHSIG = 1
PIECE_BYTES = 65_536
# Fields of /proc/self/stat, counted from behind the name: where the memory lies that /proc shows as the
# command line and as the environment.
ARGUMENTS, ENVIRONMENT = slice(45, 47), slice(47, 49)
# The name of a variable that makes room for the environments of children, and how much.
ROOM, ROOM_BYTES = "DELINKCIOUS_ROOM", 32_768

# Times of files are as coarse as the kernel's clock tick.
COARSE_NS = 20_000_000
NEVER = (-1, -1)

_libc = ctypes.CDLL(None)


class Forkserver:
    """Imports, forks and reaps, until its input ends."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._seen: dict[str, tuple[int, int]] = {}
        self._children: set[int] = set()

    def serve(self) -> dict[str, Any] | None:
        """None at the end of the input; in a child, what was asked for it."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        text = b""
        while True:
            ready, _, _ = select.select([0, reading], [], [])
            if reading in ready:
                os.read(reading, PIECE_BYTES)
                self._reap()
            if 0 in ready:
                piece = os.read(0, PIECE_BYTES)
                if not piece:
                    return None
                *lines, text = (text + piece).split(b"\n")
                for line in lines:
                    if (request := self._fork(json.loads(line))) is not None:
                        return request

    def _fork(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Answers in the parent; in the child gives the request."""
        if (changed := self._changed()) is not None:
            self._tell(stale=changed)
            return None
        self._import(request["preload"])
        if len(os.listdir("/proc/self/task")) > 1:
            # A lock that another thread holds in the moment of a fork stays locked in the child for ever.
            self._tell(unfit=f"a thread was begun by importing one of {', '.join(request['preload'])}")
            return None
        parent = os.getpid()
        if (pid := os.fork()) == 0:
            _become(request, parent)
            return request
        self._children.add(pid)
        self._tell(forked=pid)
        return None

    def _import(self, modules: Sequence[str]) -> None:
        if all(module in sys.modules for module in modules):
            return
        began = time.time_ns()
        for module in modules:
            # Whoever runs it will say what is wrong with it.
            with contextlib.suppress(Exception):
                importlib.import_module(module)
        for imported in list(sys.modules.values()):
            if path := getattr(imported, "__file__", None):
                looked = _look(path)
                # What was written meanwhile may have been read before: it counts as changed.
                self._seen.setdefault(path, looked if looked[0] < began - COARSE_NS else NEVER)
        # What they have printed is nothing that a child has to say.
        sys.stdout.flush()
        gc.collect()
        # A collection in a child would otherwise write into every object, and so copy what is shared.
        gc.freeze()

    def _changed(self) -> str | None:
        return next((path for path, then in self._seen.items() if _look(path) != then), None)

    def _reap(self) -> None:
        for pid in list(self._children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._children.discard(pid)
                self._tell(ended=pid, code=os.waitstatus_to_exitcode(status))

    def _tell(self, **words: object) -> None:
        os.write(self._answers, json.dumps(words).encode() + b"\n")


def _look(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def _become(request: dict[str, Any], parent: int) -> None:
    """Make the forked process what a started one would be: session, signals, files, folder, environment."""
    os.setsid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request["cwd"])
    os.environ.clear()  # noqa: TID251 - becomes that of the process
    os.environ.update(request["env"])  # noqa: TID251
    if (remembered := sys.modules.get("tempfile")) is not None:
        vars(remembered)["tempdir"] = None  # it is TMPDIR's, which every Pod has of its own
    _show_as(request["title"], request["env"])


def _show_as(title: Sequence[str], environment: Mapping[str, str]) -> None:
    """Let /proc tell the command line and environment of this process, not those of its parent."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    words = os.fsencode("".join(f"{word}\0" for word in title))
    variables = os.fsencode("".join(f"{name}={value}\0" for name, value in environment.items()))
    for place, text in ((ARGUMENTS, words), (ENVIRONMENT, variables)):
        start, end = map(int, fields[place])
        if start:
            ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)


def main() -> None:
    """Serve; in a child run its module as `python -m` does."""
    answers = os.dup(1)
    # What a module prints when it is imported is no answer.
    os.dup2(2, 1)
    request = Forkserver(answers).serve()
    if request is not None:
        module, *arguments = request["argv"]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
