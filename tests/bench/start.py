"""`make bench-start`: how soon a second `make up` is of use, and what everything takes in memory when idle.

Seconds count from the command to its return, to the first request of somebody who signs in, and to that
request's whole trace in Jaeger. Memory is PSS: what processes share counts once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from delinkcious import local, tracing
from mesh.local.runtime import sweep
from mesh.local.runtime.state import State
from telemetry.jaeger import JaegerUnavailable, open_jaeger
from tests.bench.running import Installation, installation

# Goals, of a machine with two cores.
WHOLE_TRACE_WITHIN_S = 10.0
IDLE_MB = 800
READY_WITHIN_S = 120.0
LOOK_AGAIN_S = 2.0
WHOLE_TRACE = "first one with a whole trace"
# Services whose spans a list has, at least.
SEEN_BY = {"ingressgateway.istio-system", "links"}
CREDENTIALS = {"username": "ada", "password": secrets.token_urlsafe(12)}

# Of which kind a process is, by a word of its command line; the first that fits.
KINDS = {
    "postgres": "PostgreSQL, NATS, Redis",
    "nats-server": "PostgreSQL, NATS, Redis",
    "redis-server": "PostgreSQL, NATS, Redis",
    "envoy": "sidecars and gateway",
    "services.": "services",
    "forkserver": "services",
    "jaeger": "Jaeger, Prometheus, exporter, console",
    "prometheus": "Jaeger, Prometheus, exporter, console",
    "telemetry.": "Jaeger, Prometheus, exporter, console",
    "mesh.console": "Jaeger, Prometheus, exporter, console",
    "": "the mesh's supervisor and guardian",
}


def started(running: Installation) -> dict[str, float]:
    """Seconds from the command to each step."""
    began = time.monotonic()
    found = {}
    running.call("up")
    found["the command returns"] = time.monotonic() - began
    edge = _edge(running)
    answered = edge.post("/api/v1/sessions", json=CREDENTIALS).raise_for_status().json()
    edge.headers["authorization"] = f"Bearer {answered['access_token']}"
    edge.get("/api/v1/links").raise_for_status()
    found["first authenticated request"] = time.monotonic() - began
    asyncio.run(_traced(running, edge))
    found[WHOLE_TRACE] = time.monotonic() - began
    return found


def _edge(running: Installation) -> httpx.Client:
    """Whose requests may be sampled because they say so."""
    transport = httpx.HTTPTransport(verify=running.trust(), local_address=tracing.OPERATOR)
    return httpx.Client(base_url=running.url, transport=transport, timeout=30)


async def _traced(running: Installation, edge: httpx.Client) -> None:
    """Ask until a request's trace is whole: Jaeger may still be starting."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        trace_id = secrets.token_hex(16)
        await asyncio.to_thread(_ask, edge, trace_id)
        with suppress(LookupError, JaegerUnavailable):
            async with open_jaeger(local.tool_url("jaeger", running.state)) as jaeger:
                found = await tracing.find(jaeger, trace_id, LOOK_AGAIN_S, settled_s=0.0)
                if found is not None and found.whole and set(found.trace.services) >= SEEN_BY:
                    return
    raise SystemExit(f"no request had a whole trace within {READY_WITHIN_S:g} s")


def _ask(edge: httpx.Client, trace_id: str) -> None:
    forced = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01", tracing.FORCE: "1"}
    edge.get("/api/v1/links", headers=forced).raise_for_status()


def memory_mb(state: Path) -> Counter[str]:
    """PSS of the installation's processes by kind."""
    found: Counter[str] = Counter()
    supervisor = State(state).holder()
    for pid in sweep.belonging(state) | ({supervisor} if supervisor else set()):
        process = psutil.Process(pid)
        words = " ".join(process.cmdline())
        kind = next(kind for word, kind in KINDS.items() if word in words)
        found[kind] += process.memory_full_info().pss
    return Counter({kind: round(size / 2**20) for kind, size in found.items()})


def _await_everything(running: Installation) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not all(pod["ready"] for pod in running.pods()):
        if time.monotonic() > deadline:
            raise SystemExit(f"not everything is ready after {READY_WITHIN_S:g} s")
        time.sleep(0.5)


def _show(seconds: dict[str, float], memory: Counter[str]) -> None:
    table = Table("a second `make up`", "seconds", box=None)
    for what, value in seconds.items():
        table.add_row(what, f"{value:.1f}")
    kinds = Table("idle", "MB (PSS)", box=None)
    for kind, size in memory.most_common():
        kinds.add_row(kind, str(size))
    kinds.add_row("all", str(memory.total()))
    for each in (table, kinds):
        Console().print(each)
    print(f"{os.cpu_count()} cores; goals: a whole trace within {WHOLE_TRACE_WITHIN_S:g} s, {IDLE_MB} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-start", description=__doc__)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    subprocess.run(
        [sys.executable, "-m", "delinkcious", "tools", "install", "jaeger"], check=True, timeout=1_800
    )
    with installation() as running:
        _edge(running).post("/api/v1/users", json=CREDENTIALS).raise_for_status()
        running.call("down")
        seconds = started(running)
        _await_everything(running)
        memory = memory_mb(running.state)
    if chosen.output == "json":
        found: dict[str, Any] = {"seconds": seconds, "memory_mb": memory, "all_mb": memory.total()}
        print(json.dumps(found, indent=2))
    else:
        _show(seconds, memory)
    missed = seconds[WHOLE_TRACE] > WHOLE_TRACE_WITHIN_S or memory.total() > IDLE_MB
    sys.exit("a goal is missed" if missed else 0)


if __name__ == "__main__":
    main()
