"""An installation to measure, processes beside it, and rounds that alternate between what is compared."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from delinkcious import local
from mesh.local.runtime.client import Client
from tests.bench.cpu import Layer, Meter
from tests.bench.load import Result, Target, load

LINKS = 60
STARTS_WITHIN_S = 60.0


class Installation:
    """An installation of its own, in a temporary folder."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def call(self, *arguments: str, text: str | None = None, timeout_s: float = 300.0) -> str:
        """What a command prints; the end of the measurement when it fails."""
        done = self._run(arguments, text, timeout_s)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def says(self, *arguments: str) -> bool:
        """Whether a command succeeds."""
        return self._run(arguments, None, 60.0).returncode == 0

    def _run(
        self, arguments: tuple[str, ...], text: str | None, timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "delinkcious", *arguments, "--state", str(self.state)]
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    @property
    def client(self) -> Client:
        """Asks its mesh, without the second that a command takes."""
        return Client(local.state(self.state))

    @cached_property
    def url(self) -> str:
        """Its public address."""
        return local.ingress_url(self.state)

    def pods(self) -> list[dict[str, Any]]:
        """What `mesh get pods -o json` prints."""
        found: list[dict[str, Any]] = self.client.get("/get/pods")
        return found

    def pod(self, app: str) -> dict[str, Any]:
        return next(pod for pod in self.pods() if pod["labels"].get("app") == app)

    def trust(self) -> ssl.SSLContext:
        """Trusts the public address, and speaks HTTP/1.1 there."""
        trust = ssl.create_default_context(cafile=local.authority_file(self.state))
        trust.set_alpn_protocols(["http/1.1"])
        return trust


@contextmanager
def installation(*options: str, state: Path | None = None) -> Iterator[Installation]:
    """One that is up, started with these options, until the block is left; or that of `state`, as it is."""
    if state is not None:
        yield Installation(state)
        return
    with tempfile.TemporaryDirectory() as folder:
        running = Installation(Path(folder) / "state")
        try:
            running.call("up", *options)
            yield running
        finally:
            running.call("down")


@dataclass(frozen=True)
class Started:
    """A process beside the installation, and where it listens."""

    pid: int
    port: int


@contextmanager
def alone(pod: dict[str, Any], **settings: str) -> Iterator[Started]:
    """The pod's process once more, outside of the mesh, with other settings."""
    container = next(part for part in pod["containers"] if part["name"] != "istio-proxy")
    environment = psutil.Process(container["pid"]).environ()
    with serving("services.links", environment | settings) as started:
        yield started


@contextmanager
def serving(module: str, environment: Mapping[str, str]) -> Iterator[Started]:
    """A module that serves as the kit does, on a port that the system chooses."""
    environment = {**environment, "HOST": "127.0.0.1", "PORT": "0", "METRICS_PORT": "0"}
    # A file, as the mesh gives every pod: a pipe that nobody reads would cost other things.
    with tempfile.NamedTemporaryFile() as log:
        command = [sys.executable, "-m", module]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.DEVNULL)
        try:
            yield Started(process.pid, _port(Path(log.name), process))
        finally:
            process.terminate()
            process.wait(30)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    """Where the process says that it listens."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event.get("event") == "listening" and event.get("port_name") == "http":
                return int(event["port"])
        time.sleep(0.05)
    raise SystemExit(f"the process did not start: {log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Round:
    """A target in one round, and the CPU of the process that answered."""

    result: Result
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        """Microseconds per request."""
        return self.cpu_s * 1e6 / len(self.result.latencies_s)


@dataclass(frozen=True)
class Account:
    """Somebody who is signed in for ten minutes."""

    id: int
    token: str


def await_collector(running: Installation) -> None:
    """Until spans are taken: a collector that is away would measure something else."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not running.says("url", "jaeger"):
        if time.monotonic() > deadline:
            raise SystemExit(f"Jaeger is not ready after {STARTS_WITHIN_S:g} s")
        time.sleep(0.2)


def account(url: str, trust: ssl.SSLContext, links: int = LINKS) -> Account:
    """A new account with some links."""
    credentials = {"username": f"bench-{secrets.token_hex(4)}", "password": secrets.token_urlsafe(12)}
    with httpx.Client(base_url=url, verify=trust, timeout=30) as client:
        _ask(client, "POST", "users", credentials)
        session = _ask(client, "POST", "sessions", credentials)
        client.headers["authorization"] = f"Bearer {session['access_token']}"
        for number in range(links):
            link = {"url": f"https://example.org/{number}", "title": f"Page {number}", "tags": ["bench"]}
            _ask(client, "POST", "links", link)
        return Account(_ask(client, "GET", "users/me")["id"], session["access_token"])


def _ask(client: httpx.Client, method: str, path: str, body: object = None) -> Any:
    """The answer's JSON; asked again while a busy machine makes the service refuse."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        answer = client.request(method, f"/api/v1/{path}", json=body)
        if answer.status_code != 503 or time.monotonic() > deadline:
            return answer.raise_for_status().json()
        time.sleep(0.5)


def measure(
    every: list[Target], rounds: int, seconds: float, connections: int, layers: Mapping[str, Layer]
) -> dict[str, list[Round]]:
    """The rounds of each target; `layers` are the processes whose CPU is read, by the target's name."""
    found: dict[str, list[Round]] = {target.name: [] for target in every}
    for target in every:
        asyncio.run(load(target, connections=connections, seconds=1.0))
    for number in range(rounds):
        for target in every:
            layer = layers[target.name]
            meter = Meter([layer])
            result = asyncio.run(load(target, connections=connections, seconds=seconds))
            if not result.all_well:
                raise SystemExit(f"{target.name}: not every answer was 2xx: {dict(result.statuses)}")
            found[target.name].append(Round(result, meter.used_s()[layer.name]))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return found


def summary(found: Mapping[str, list[Round]], base: str) -> list[dict[str, Any]]:
    rows = []
    for name, rounds in found.items():
        total = Result()
        for one in rounds:
            total.add(one.result)
        pairs = zip(rounds, found[base], strict=True)
        ratios = [one.result.rate / other.result.rate for one, other in pairs]
        rows.append(
            {
                "what": name,
                "requests": len(total.latencies_s),
                "rate": round(total.rate),
                "p50_ms": round(total.quantile_ms(0.5), 2),
                "p99_ms": round(total.quantile_ms(0.99), 2),
                "cpu_us": round(statistics.median(one.cpu_us for one in rounds)),
                "ratio": round(statistics.median(ratios), 2),
            }
        )
    return rows


def show(rows: list[dict[str, Any]], title: str, base: str) -> None:
    """The rows as a table; ratios are to `base`, CPU is the service's process."""
    headings = (title, "requests", "requests/s", "p50 ms", "p99 ms", "CPU us/request", f"ratio to {base}")
    table = Table(*headings, box=None)
    for row in rows:
        keys = ("what", "requests", "rate", "p50_ms", "p99_ms", "cpu_us", "ratio")
        table.add_row(*(str(row[key]) for key in keys))
    Console().print(table)
