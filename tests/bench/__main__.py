"""`make bench`: what each layer costs `GET /api/v1/links?limit=20`, all in one run, as ratios.

(a) the process alone, (b) the process with its telemetry off, (c) through two sidecars with mutual TLS,
(d) through the ingress gateway (HTTPS) and a sidecar. Rounds alternate, so that a drift of the machine
meets all alike; the ratio of a round is to (b) of the same round, the figure shown is their median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.load import Result, Target, get, load

PATH = "/api/v1/links?limit=20"
LINKS = 60
CLIENT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: bench, namespace: delinkcious}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: bench, namespace: delinkcious}
spec:
  selector: {matchLabels: {app: bench}}
  template:
    metadata: {labels: {app: bench}}
    spec:
      serviceAccountName: bench
      containers:
        - name: wait
          command: [python, -c, "import signal; signal.pause()"]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: links-from-bench, namespace: delinkcious}
spec:
  selector: {matchLabels: {app: links}}
  action: ALLOW
  rules:
    - from:
        - source: {principals: [cluster.local/ns/delinkcious/sa/bench]}
"""


class Installation:
    """An installation of its own, in a temporary folder."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def call(self, *arguments: str, text: str | None = None, timeout_s: float = 300.0) -> str:
        command = [sys.executable, "-m", "delinkcious", *arguments, "--state", str(self.state)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout_s)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def pod(self, app: str) -> dict[str, Any]:
        pods = json.loads(self.call("mesh", "get", "pods", "-o", "json"))
        return next(pod for pod in pods if pod["labels"].get("app") == app)


@contextmanager
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory() as folder:
        running = Installation(Path(folder) / "state")
        try:
            running.call("up", "--no-tools")
            yield running
        finally:
            running.call("down")


@contextmanager
def alone(pod: dict[str, Any], **settings: str) -> Iterator[int]:
    """The pod's process once more, outside of the mesh, with other settings; yields its port."""
    container = next(part for part in pod["containers"] if part["name"] != "istio-proxy")
    environment = psutil.Process(container["pid"]).environ()
    environment |= {"HOST": "127.0.0.1", "PORT": "0", "METRICS_PORT": "0", **settings}
    command = [sys.executable, "-m", "services.links"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            event = json.loads(line)
            if event.get("event") == "listening" and event.get("port_name") == "http":
                yield event["port"]
                return
        raise SystemExit("the process of links did not start")
    finally:
        process.terminate()
        process.wait(30)


def account(url: str, trust: ssl.SSLContext) -> str:
    """A new account with some links; returns its access token."""
    credentials = {"username": f"bench-{secrets.token_hex(4)}", "password": secrets.token_urlsafe(12)}
    with httpx.Client(base_url=url, verify=trust, timeout=30) as client:
        client.post("/api/v1/users", json=credentials).raise_for_status()
        session = client.post("/api/v1/sessions", json=credentials).raise_for_status().json()
        client.headers["authorization"] = f"Bearer {session['access_token']}"
        for number in range(LINKS):
            link = {"url": f"https://example.org/{number}", "title": f"Page {number}", "tags": ["bench"]}
            client.post("/api/v1/links", json=link).raise_for_status()
        return str(session["access_token"])


def targets(
    running: Installation, token: str, url: str, trust: ssl.SSLContext, ports: tuple[int, int]
) -> list[Target]:
    headers = [("authorization", f"Bearer {token}")]
    direct = get(PATH, "links", headers)
    meshed = get(f"http://links{PATH}", "links", headers)
    egress_host, _, egress_port = running.pod("bench")["egress"].rpartition(":")
    edge = urlsplit(url)
    assert edge.hostname and edge.port
    return [
        Target("(a) process alone", "127.0.0.1", ports[0], direct),
        Target("(b) process, telemetry off", "127.0.0.1", ports[1], direct),
        Target("(c) sidecars, mutual TLS", egress_host, int(egress_port), meshed),
        Target("(d) ingress and sidecar", edge.hostname, edge.port, get(PATH, edge.netloc, headers), trust),
    ]


def measure(every: list[Target], rounds: int, seconds: float, connections: int) -> dict[str, list[Result]]:
    results: dict[str, list[Result]] = {target.name: [] for target in every}
    for target in every:
        asyncio.run(load(target, connections=connections, seconds=1.0))
    for number in range(rounds):
        for target in every:
            result = asyncio.run(load(target, connections=connections, seconds=seconds))
            if set(result.statuses) != {200}:
                raise SystemExit(f"{target.name}: not every answer was 200: {dict(result.statuses)}")
            results[target.name].append(result)
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return results


def summary(results: dict[str, list[Result]], base: str) -> list[dict[str, Any]]:
    rows = []
    for name, rounds in results.items():
        total = Result()
        for one in rounds:
            total.add(one)
        ratios = [one.rate / other.rate for one, other in zip(rounds, results[base], strict=True)]
        rows.append(
            {
                "what": name,
                "requests": len(total.latencies_s),
                "rate": round(total.rate),
                "p50_ms": round(total.quantile_ms(0.5), 2),
                "p99_ms": round(total.quantile_ms(0.99), 2),
                "ratio": round(statistics.median(ratios), 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each layer in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    with installation() as running:
        url = running.call("url").strip()
        trust = ssl.create_default_context(cafile=running.call("ca").strip())
        trust.set_alpn_protocols(["http/1.1"])
        running.call("mesh", "apply", "-f", "-", text=CLIENT)
        token = account(url, trust)
        pod = running.pod("links")
        with alone(pod) as first, alone(pod, OTEL_SDK_DISABLED="true") as second:
            every = targets(running, token, url, trust, (first, second))
            rows = summary(measure(every, chosen.rounds, chosen.seconds, chosen.connections), every[1].name)
    if chosen.output == "json":
        print(json.dumps(rows, indent=2))
        return
    table = Table("GET " + PATH, "requests", "requests/s", "p50 ms", "p99 ms", "ratio to (b)", box=None)
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("what", "requests", "rate", "p50_ms", "p99_ms", "ratio")))
    Console().print(table)
    print(f"{os.cpu_count()} cores, {chosen.connections} connections, median of {chosen.rounds} rounds")


if __name__ == "__main__":
    main()
