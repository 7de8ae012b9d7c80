"""Where a tool is: on PATH when its version will do, else in the user's cache."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from delinkcious.tools.catalogue import ALL, Tool
from mesh.local.runtime import settings

ANSWERS_WITHIN_S = 20.0

Where = Literal["PATH", "cache"]


@dataclass(frozen=True)
class Found:
    """A program that can be used; `version` is "" when it says none."""

    path: str
    version: str
    where: Where


def cache() -> Path:
    """Where tools of this user are kept; `bin/` has the programs."""
    return settings.cache_folder()


def find(tool: Tool) -> Found | None:
    """The program to use now."""
    for path, where in _candidates(tool):
        version = _version(tool, path)
        if version is not None and tool.will_do(version):
            return Found(path, version, where)
    return None


def locate(name: str) -> str | None:
    """The path of a tool, or of any other program on PATH."""
    if (tool := ALL.get(name)) is None:
        return settings.on_path(name)
    found = find(tool)
    return None if found is None else found.path


def too_old(tool: Tool) -> str:
    """What is said of a program on PATH that will not do; "" where there is none."""
    path = settings.on_path(tool.name)
    version = _version(tool, path) if path else ""
    if not path or (version is not None and tool.will_do(version)):
        return ""
    least = ".".join(map(str, tool.oldest))
    return f"{path} is {f'version {version}' if version else 'another program'}, {least} is needed"


def _candidates(tool: Tool) -> Iterator[tuple[str, Where]]:
    if on_path := settings.on_path(tool.name):
        yield on_path, "PATH"
    if kept := shutil.which(str(cache() / "bin" / tool.name)):
        yield kept, "cache"


def _version(tool: Tool, path: str) -> str | None:
    """What a program says it is; None for what is no such tool. Asked once of each file."""
    try:
        stat = Path(path).stat()
    except OSError:  # it went away
        return None
    return _said(tool, path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _said(tool: Tool, path: str, _changed: int, _size: int) -> str | None:
    try:
        done = subprocess.run([path, *tool.asks], capture_output=True, text=True, timeout=ANSWERS_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tool.version(done.stdout + done.stderr) if done.returncode == 0 else None
