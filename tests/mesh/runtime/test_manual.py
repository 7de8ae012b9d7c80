"""What docs/mesh.md tells a newcomer to do works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.local.runtime import supervise
from mesh.local.runtime.state import FOLDER, State

MANUAL = Path(__file__).parents[3] / "docs" / "mesh.md"
WITHIN_S = 120.0


def _block(language: str, after: str) -> str:
    """The first block of a language below a heading."""
    text = MANUAL.read_text()
    found = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL).search(
        text, text.index(after)
    )
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A newcomer's folder; what is started there is ended."""
    yield tmp_path
    supervise.down(State(tmp_path / FOLDER))


def test_the_smallest_example_runs_as_it_is_written(folder: Path) -> None:
    heading = "## The smallest whole example"
    (folder / "hello").mkdir()
    (folder / "hello" / "hello.yaml").write_text(_block("yaml", heading))
    program = Path(sys.executable).parent

    done = subprocess.run(
        ["sh", "-e", "-c", _block("sh", heading)],
        cwd=folder,
        env={**os.environ, "PATH": f"{program}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 objects are right." in done.stdout
    assert "Directory listing" in done.stdout
    assert "The mesh is down." in done.stdout
