"""`mesh run`: a plain command as a service, in a mesh of its own or beside what runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mesh.local.runtime import freeing, supervise
from mesh.local.runtime.client import Client
from mesh.local.runtime.state import FOLDER, State
from tests.mesh.runtime.conftest import PATIENCE_S, until
from tests.mesh.runtime.manifests import ECHO


class Command:
    """`delinkcious mesh run` in a folder."""

    def __init__(self, folder: Path, name: str, version: str = "") -> None:
        version = version or name
        self._file = folder / f"{version}.output"
        arguments = ["--name", name, "--port", "8000", "--env", f"VERSION={version}", "--", "python", ECHO]
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "delinkcious", "mesh", "run", *arguments],
                cwd=folder,
                stdout=output,
                stderr=output,
            )

    def told(self, pattern: str) -> re.Match[str]:
        """What it has printed of this form."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self._file.read_text()
            return re.search(pattern, self._file.read_text())

        match = until(found)
        assert match is not None
        return match  # type: ignore[no-any-return]

    @property
    def output(self) -> str:
        return self._file.read_text()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    supervise.down(State(tmp_path / FOLDER))


def test_a_command_runs_as_a_service_and_another_joins_it(folder: Path) -> None:
    first = Command(folder, "api")
    address = first.told(r"  curl (http://\S+)\n")[1]
    proxy = first.told(r"  curl --proxy (http://\S+) http://api/")[1]
    assert httpx.get(address).json() == "api"

    second = Command(folder, "web")
    second.told(r"curl --proxy")
    with httpx.Client(proxy=proxy) as client:
        assert client.get("http://web/").json() == "web"
    again = Command(folder, "web", "again")
    assert again.process.wait(PATIENCE_S) == 1
    assert "`mesh run` runs web already" in again.output
    with httpx.Client(proxy=proxy) as client:
        assert client.get("http://web/").json() == "web"
    assert second.end() == 0
    state = State(folder / FOLDER)
    client_ = Client(state)
    until(lambda: [pod["workload"] for pod in client_.get("/get/pods")] == ["api"])
    assert client_.get("/get/overrides") == []
    last = Command(folder, "last")
    last.told(r"curl --proxy")
    assert first.end() == 0
    assert state.holder() is None
    assert last.process.wait(PATIENCE_S) == 0
    assert freeing.listed(state) == []  # the next start brings nothing back


@pytest.mark.slow
def test_a_command_ends_when_its_service_is_taken_out_of_the_mesh(folder: Path) -> None:
    first = Command(folder, "api")
    first.told(r"curl --proxy")
    second = Command(folder, "web")
    second.told(r"curl --proxy")
    Client(State(folder / FOLDER)).post("/reset", {"keys": [("Deployment", "default", "web")]})
    assert second.process.wait(PATIENCE_S) == 1
    assert "web was taken out of the mesh by somebody else" in second.output
    assert first.end() == 0


def test_a_starting_manifest_is_written_once_and_is_right(folder: Path) -> None:
    def mesh(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "delinkcious", "mesh", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)

    command = (
        "init",
        "shop",
        "--name",
        "api",
        "--port",
        "8000",
        "--env",
        "A=B",
        "--",
        "python",
        "app.py",
        "-v",
    )
    written = mesh(*command)
    assert "delinkcious mesh up -f shop/api.yaml" in written.stdout, written.stderr
    assert 'command: [python, app.py, "-v"]' in (folder / "shop" / "api.yaml").read_text()
    assert mesh("check", "-f", "shop").stdout == "3 objects are right.\n"
    assert "--force writes over it" in mesh(*command).stderr
    assert "is no valid name" in mesh("init", "--name", "Not valid").stderr
