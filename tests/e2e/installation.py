"""A whole installation in a folder of its own, driven as a person does: by the command line and by HTTPS."""

from __future__ import annotations

import secrets
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from mesh.local.runtime.client import Client
from mesh.local.runtime.state import State

T = TypeVar("T")
Json = dict[str, Any]

NAMESPACE = "delinkcious"
UP_WITHIN_S = 120.0
GONE_WITHIN_S = 60.0
POLL_S = 0.02
ANSWERED_WITHIN_S = 30.0
PASSWORD = "correct horse battery staple"


def eventually(look: Callable[[], T | None], within_s: float, what: str) -> T:
    """The first true thing that `look` finds; fails with `what` when there is none in time."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(POLL_S)
    return found


@dataclass(frozen=True)
class Account:
    """Somebody who has signed up and in."""

    name: str
    id: int
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


class Installation:
    """A copy of what a checkout runs, and its mesh; commands are run inside of the copy."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        self.state = folder / "state"
        shutil.copytree(repository / "helm", self.checkout / "helm")
        for name in ("istio", "splits"):
            shutil.copytree(repository / "mesh" / name, self.checkout / "mesh" / name)

    def run(
        self, *arguments: str, cwd: Path | None = None, typed: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`delinkcious ARGUMENTS` with these variables and this input, whatever comes of it."""
        variables = {"XDG_CONFIG_HOME": str(self.folder / "config"), **(env or {})}
        settings = [f"{name}={value}" for name, value in variables.items()]
        return subprocess.run(
            ["/usr/bin/env", *settings, sys.executable, "-m", "delinkcious", *arguments],
            cwd=cwd or self.checkout,
            input=typed,
            capture_output=True,
            text=True,
            timeout=UP_WITHIN_S + 30,
            check=False,
        )

    def told(self, *arguments: str) -> str:
        """What `delinkcious ARGUMENTS --state ...` prints; it must succeed."""
        done = self.run(*arguments, "--state", str(self.state))
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}\n{self.log()[-4000:]}"
        return done.stdout

    def up(self, *options: str) -> str:
        return self.told("up", "--no-tools", "--timeout", f"{UP_WITHIN_S:g}", *options)

    def pods(self) -> list[Json]:
        """The application's, as `mesh get pods -o json` prints them, without starting a program for it."""
        return [pod for pod in self.every_pod() if not pod["optional"]]

    def every_pod(self) -> list[Json]:
        """Those that nobody waits for, too."""
        found: list[Json] = Client(State(self.state)).get("/get/pods")
        return found

    def pod(self, workload: str) -> Json:
        """The one pod of a Deployment."""
        found = [pod for pod in self.every_pod() if pod["workload"] == workload]
        assert len(found) == 1, f"{workload} has {len(found)} pods"
        return found[0]

    def ready(self, workload: str) -> Json | None:
        """Its one pod, once that is ready."""
        found = [pod for pod in self.every_pod() if pod["workload"] == workload]
        return found[0] if len(found) == 1 and found[0]["ready"] else None

    @cached_property
    def url(self) -> str:
        """The public address; it stays the same over restarts."""
        return self.told("url").strip()

    @cached_property
    def trusted(self) -> ssl.SSLContext:
        """Trusts the installation's certificate and no other."""
        return ssl.create_default_context(cafile=self.told("ca").strip())

    def edge(self) -> httpx.Client:
        """A client of the public address."""
        return httpx.Client(
            base_url=self.url, verify=self.trusted, trust_env=False, timeout=ANSWERED_WITHIN_S
        )

    def account(self) -> Account:
        """A new account with a token that is good for ten minutes."""
        name = f"user-{secrets.token_hex(4)}"
        with self.edge() as edge:
            made = edge.post("/api/v1/users", json={"username": name, "password": PASSWORD})
            assert made.status_code == 201, made.text
        return Account(name, made.json()["id"], self.token(name))

    def token(self, name: str) -> str:
        """A new access token of an account."""
        with self.edge() as edge:
            session = edge.post("/api/v1/sessions", json={"username": name, "password": PASSWORD})
            assert session.status_code in (200, 201), session.text
        found: str = session.json()["access_token"]
        return found

    def log(self) -> str:
        """What the supervisor has said."""
        file = self.state / "mesh.log"
        return file.read_text() if file.exists() else ""

    def processes(self) -> list[psutil.Process]:
        """Every living process that has to do with the state folder, found without the mesh's own records."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), *process.environ().values()]
                living = process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:  # it ended meanwhile
                continue
            if living and any(str(self.state) in word for word in words):
                found.append(process)
        return found


@contextmanager
def ended(made: Installation) -> Iterator[None]:
    """Brings it down when the block is left, whatever happened, and waits until nothing of it runs."""
    try:
        yield
    finally:
        made.run("down", "--state", str(made.state))
        eventually(lambda: not made.processes(), GONE_WITHIN_S, "no process of the mesh is left")


def pid_of(pod: Json, container: str) -> int:
    """The process of a container."""
    pid: int = next(found["pid"] for found in pod["containers"] if found["name"] == container)
    return pid


def settings_of(pod: Json) -> Mapping[str, str]:
    """The environment of the service's own process."""
    environment: Mapping[str, str] = psutil.Process(pid_of(pod, pod["labels"]["app"])).environ()
    return environment


def application(pod: Json) -> str:
    """Where the process itself listens, behind its sidecar: for who is on the machine, not in the mesh."""
    settings = settings_of(pod)
    return f"http://{settings['HOST']}:{settings['PORT']}"


def from_pod(pod: Json) -> httpx.Client:
    """A client whose requests are that pod's: they go through its sidecar's egress."""
    return httpx.Client(proxy=f"http://{pod['egress']}", trust_env=False, timeout=ANSWERED_WITHIN_S)
