"""What the mesh takes from the environment it was started in."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path


def inherited() -> dict[str, str]:
    """The environment that pods start from; the current interpreter's programs come first in PATH."""
    environment = dict(os.environ)
    programs = str(Path(sys.executable).parent)
    rest = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part != programs]
    environment["PATH"] = os.pathsep.join([programs, *rest])
    return environment


def said(names: Iterable[str]) -> dict[str, str]:
    """Those variables that somebody has set."""
    return {name: os.environ[name] for name in names if name in os.environ}


def on_path(program: str) -> str | None:
    """The path of a program, looked for where pods would find it."""
    return shutil.which(program, path=inherited()["PATH"])


def cache_folder() -> Path:
    """Where things that belong to the user, not to one mesh, are remembered."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "delinkcious"


def socket_folder() -> Path:
    """A folder with a short path for sockets whose state folder is too deep for `sun_path`."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and len(runtime) < 60:
        return Path(runtime) / "delinkcious"
    return Path("/tmp") / f"delinkcious-{os.getuid()}"  # noqa: S108 - made 0700 and its owner checked


def without_grpc_forks() -> None:
    """Keep gRPC from looking after processes that are forked: here a fork becomes another program."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
