"""Real meshes for the tests: each with a state folder, a supervisor process and a block of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesh.local.runtime import supervise, sweep
from mesh.local.runtime.client import Client
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State
from tests.mesh.runtime.manifests import Manifests

PATIENCE_S = 60.0
ANSWERED_WITHIN_S = 30.0
COMMAND_WITHIN_S = 100.0


def until(condition: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """Wait for a condition; what it gives when it is true."""
    deadline = time.monotonic() + within_s
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Running:
    """A supervisor process, asked and observed from outside as a user would."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.environment: Mapping[str, str] = {}  # beside that of the tests
        self.files = folder / "manifests"
        self.files.mkdir()
        self.state = State(folder / "state")
        self.client = Client(self.state)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = PATIENCE_S, arguments: Sequence[str] = ()) -> None:
        self.begin(arguments)
        until(self.up, within_s)

    def begin(self, arguments: Sequence[str] = ()) -> None:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", "delinkcious", "mesh", "up", "-f", str(self.files), *arguments]
        output = (self.folder / "output").open("ab")
        with output:
            self.process = subprocess.Popen(
                [*command, "--state", str(self.state.folder), *self.options],
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
            )

    def up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output
        try:
            return bool(self.client.get("/status")["up"])
        except MeshError:
            return False

    def starting(self) -> str:
        """What it says while it is still starting; empty before it answers at all, and once it is up."""
        assert not self.up(), "it is up"
        try:
            self.client.get("/get/pods")
        except MeshError as error:
            return str(error) if "still starting" in str(error) else ""
        return ""

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def pods(self, workload: str) -> list[dict[str, Any]]:
        return [pod for pod in self.client.get("/get/pods") if pod["workload"] == workload]

    def pod(self, workload: str) -> dict[str, Any]:
        return self.pods(workload)[0]

    def pid(self, workload: str, container: str = "app") -> int | None:
        parts = {part["name"]: part for part in self.pod(workload)["containers"]}
        found: int | None = parts[container]["pid"]
        return found

    def from_pod(self, workload: str) -> httpx.Client:
        """A client whose requests are requests of that pod."""
        return httpx.Client(proxy=f"http://{self.pod(workload)['egress']}", timeout=ANSWERED_WITHIN_S)

    def get(self, url: str, workload: str = "client") -> httpx.Response:
        with self.from_pod(workload) as client:
            return client.get(url)

    def from_outside(self) -> httpx.Client:
        """A client of the gateway's Service."""
        [gate] = [service for service in self.client.get("/get/services") if service["publicIp"]]
        return httpx.Client(base_url=f"http://{gate['publicIp']}:8080", timeout=ANSWERED_WITHIN_S)

    def apply(self, text: str) -> Any:
        return self.client.post("/apply", {"documents": [{"file": "applied.yaml", "text": text}]})

    def delete(self, text: str) -> Any:
        return self.client.post("/delete", {"documents": [{"file": "applied.yaml", "text": text}]})

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def command(self, *arguments: str, state: bool = True) -> tuple[int, str]:
        """Exit code and output of `delinkcious mesh ARGUMENTS`."""
        where = ["--state", str(self.state.folder)] if state else []
        command = [sys.executable, "-m", "delinkcious", "mesh", *arguments, *where]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_WITHIN_S
        )
        return done.returncode, done.stdout + done.stderr

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def members(self) -> set[int]:
        return sweep.belonging(self.state.folder)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            # One that has hardly begun is known to nobody else yet, and would go on.
            self.process.terminate()
            self.process.wait(PATIENCE_S)
        supervise.down(self.state)


@pytest.fixture
def new_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """Starts meshes of the YAML they are given; all end with the test."""
    made: list[Running] = []

    def start(text: str) -> Running:
        running = Running(tmp_path_factory.mktemp("mesh"))
        (running.files / "mesh.yaml").write_text(text)
        made.append(running)
        running.start()
        return running

    yield start
    for running in made:
        running.close()


@pytest.fixture(scope="session")
def manifests() -> Manifests:
    return Manifests()
