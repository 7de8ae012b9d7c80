"""What the examples' READMEs tell a newcomer to do works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.local.runtime import supervise
from mesh.local.runtime.state import FOLDER, State

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[3] / "mesh" / "local" / "examples"
WITHIN_S = 110.0
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A copy of an example; what is started there is ended."""
    copy = tmp_path / request.param
    shutil.copytree(EXAMPLES / request.param, copy)
    yield copy
    supervise.down(State(copy / FOLDER))


def followed(folder: Path, options: str = "") -> str:
    """What all the README's commands print, pasted into one shell that stops at the first that fails.

    `options` are for `mesh up`.
    """
    program = Path(sys.executable).parent
    commands = "\n".join(_BLOCK.findall((folder / "README.md").read_text()))
    done = subprocess.run(
        ["sh", "-e", "-c", commands.replace("mesh up", f"mesh up {options}")],
        cwd=folder,
        env={**os.environ, "PATH": f"{program}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The mesh is down." in done.stdout
    return done.stdout


@pytest.mark.parametrize("folder", ["bookstore"], indirect=True)
def test_a_bookstore_is_routed_broken_split_and_guarded(folder: Path) -> None:
    told = followed(folder)
    assert "22 objects are right." in told
    assert re.search(r'\d+ "version": "v1"\n +\d+ "version": "v3"', told)
    assert "\n403\n" in told
    assert "AuthorizationPolicy default/ratings spec (istio.yaml:" in told


@pytest.mark.parametrize("folder", ["grpc"], indirect=True)
def test_grpc_is_balanced_retried_and_refused(folder: Path) -> None:
    told = followed(folder)
    assert told.index("10 of 10") < told.index("UNAVAILABLE") < told.index("PERMISSION_DENIED")


@pytest.mark.parametrize("folder", ["tcp-echo"], indirect=True)
def test_a_tcp_service_lets_in_only_a_friend(folder: Path) -> None:
    told = followed(folder)
    split = r"\d+ one hello\n +\d+ two hello\n"
    parts = (r"one hello\none again\none hello\n", split, r"\none hello\nrefused\n")
    assert re.search("(?s)" + ".*".join(parts), told)
