"""Prometheus' own judge of rules and queries, as a process."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CACHED = Path.home() / ".cache" / "delinkcious" / "bin" / "promtool"
WITHIN_S = 100


def find() -> str:
    """Where it is; the test is skipped where it is nowhere."""
    found = shutil.which("promtool") or (str(CACHED) if CACHED.exists() else None)
    if found is None:
        pytest.skip("promtool is missing; it comes with Prometheus, e.g. by `apt-get install prometheus`")
    return found


def ask(*arguments: str | Path) -> None:
    """Fail with what it says, unless it is content."""
    done = subprocess.run(
        [find(), *map(str, arguments)], capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
