"""Brings a tool into the user's cache by the best way that this machine has; one process at a time."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from delinkcious.tools import building, debian, finding
from delinkcious.tools.catalogue import TOOLS, Tool, pinned
from delinkcious.tools.errors import ToolUnavailable
from delinkcious.tools.finding import Found

POLL_S = 0.2
NICENESS = 14  # with that of a build it is the least priority there is
# What is made in the background for whoever starts the application; promtool is for who writes rules.
WANTED = ("prometheus", "jaeger")

Report = Callable[[str], None]
Build = Callable[[Tool, Path, Report], None]


def install(tool: Tool, report: Report, build: Build = building.build) -> Found:
    """The tool, brought into the cache where it is missing. Raises ToolUnavailable."""
    if found := finding.find(tool):
        return found
    cache = finding.cache()
    with _locked(cache, tool, report):
        if found := finding.find(tool):  # another process was faster
            return found
        _bring(tool, cache, report, build)
        found = finding.find(tool)
    if found is None:
        raise ToolUnavailable(f"{cache / 'bin' / tool.name} was made and does not start")
    failure(tool).unlink(missing_ok=True)
    return found


def _bring(tool: Tool, cache: Path, report: Report, build: Build) -> None:
    try:
        if debian.offers(tool):
            report(f"unpacking the system's package {tool.debian}")
            try:
                debian.unpack(tool, cache)
                return
            except ToolUnavailable as error:
                report(f"{error}; building it instead")
        build(tool, cache, report)
    except ToolUnavailable as error:
        cache.mkdir(parents=True, exist_ok=True)
        failure(tool).write_text(f"{pinned(tool)}\n{error}\n")
        raise


def failure(tool: Tool) -> Path:
    """Says why the last attempt failed, so that a start does not repeat it for ever."""
    return finding.cache() / f"{tool.name}.failed"


def failed(tool: Tool) -> str:
    """Why this very version could not be had the last time; "" when it was not tried."""
    try:
        version, _, why = failure(tool).read_text().partition("\n")
    except FileNotFoundError:
        return ""
    return why.strip() if version == pinned(tool) else ""


def in_the_making(tool: Tool) -> bool:
    """Whether some process is bringing it now."""
    try:
        file = _lock(finding.cache(), tool).open("r+")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def log(tool: Tool) -> Path:
    """What the bringing of a tool prints."""
    return building.log_of(tool, finding.cache())


def begin() -> list[Tool]:
    """Start to bring what is wanted and missing, in a process of its own that outlives this one.

    Returns what is being brought, by that process or an earlier one.
    """
    missing = [TOOLS[name] for name in WANTED if finding.find(TOOLS[name]) is None]
    wanted = [tool for tool in missing if not failed(tool)]
    todo = [tool.name for tool in wanted if not in_the_making(tool)]
    if todo:
        cache = finding.cache()
        (cache / "logs").mkdir(parents=True, exist_ok=True)
        with (cache / "logs" / "tools.log").open("w") as log:
            subprocess.Popen(
                [
                    *building.politely(NICENESS),
                    sys.executable,
                    "-m",
                    "delinkcious",
                    "tools",
                    "install",
                    *todo,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    return wanted


def _lock(cache: Path, tool: Tool) -> Path:
    return cache / f"{tool.name}.lock"


@contextmanager
def _locked(cache: Path, tool: Tool, report: Report) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache, tool).open("a+") as file:
        said = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    report("another process is at it already; waiting for that")
                said = True
                time.sleep(POLL_S)
        yield
