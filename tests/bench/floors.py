"""`make bench-floors`: the floor of each hop alone against the whole, and the goals, all in one run.

A floor is what remains when everything of this project is left out: starlette served as the kit serves, a
statement through asyncpg alone, an Envoy that only forwards. CPU is per request, in microseconds. Rounds
alternate, so that a drift of the machine meets all alike; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from delinkcious import local
from tests.bench import cpu, operations
from tests.bench.cpu import Layer
from tests.bench.floor_envoy import HOST, Certificates, envoy
from tests.bench.floor_sql import Statement, statements
from tests.bench.floor_table import Goal, Hop, Row, goals, hops, rows
from tests.bench.load import Target, get
from tests.bench.operations import Callers, Place
from tests.bench.rounds import Asked, Idle, Measured, Slice, alternate
from tests.bench.running import Installation, Started, account, alone, await_collector, installation, serving

SETTLES_WITHIN_S = 0.2
WHOLES = ("list", "save")
OFF = {"OTEL_SDK_DISABLED": "true", "NATS_URL": ""}
TRACED = {"TRACE_RATIO": "0.01", "NATS_URL": ""}


@contextmanager
def floors(seconds: float, connections: int) -> Iterator[list[Asked]]:
    """The hops alone: starlette, Envoys before it."""
    certificates = Certificates()
    server, mutual = certificates.server(mutual=False), certificates.server(mutual=True)
    client, trust = certificates.client(), certificates.trust()

    def hop(name: str, to: Started, tls: ssl.SSLContext | None = None, **layers: Started) -> Asked:
        request = get("/encoded" if "encoded" in name else "/fixed", "links")
        used = [Layer(part, (process.pid,)) for part, process in layers.items()]
        return Asked(
            Target(name, HOST, to.port, request, tls), used, seconds=seconds, connections=connections
        )

    settings = {"PATH": os.environ["PATH"], "OTEL_SDK_DISABLED": "true"}
    with (
        serving("tests.bench.floor_app", settings) as app,
        envoy(app.port) as plain,
        envoy(app.port, server=server) as terminating,
        envoy(app.port, server=mutual) as inner,
        envoy(inner.port, client=client) as outer,
        envoy(inner.port, server=server, client=client) as edge,
    ):
        yield [
            hop("starlette, fixed page", app, service=app),
            hop("starlette, page encoded", app, service=app),
            hop("Envoy, HTTP", plain, proxy=plain),
            hop("Envoy, TLS at the edge", terminating, trust, proxy=terminating),
            hop("Envoys, mutual TLS between", outer, client=outer, server=inner),
            hop("Envoys, TLS and mutual TLS", edge, trust, gateway=edge, sidecar=inner),
        ]


def wholes(
    places: list[tuple[Place, list[Layer]]], who: Callers, seconds: float, connections: int
) -> list[Asked]:
    """List and save at each place."""
    return [
        Asked(
            operations.target(operation, place, who),
            layers,
            seconds=seconds,
            connections=connections,
            settle_s=SETTLES_WITHIN_S if operation == "save" else 0.0,
        )
        for operation in WHOLES
        for place, layers in places
    ]


async def measure(
    every: list[Asked], database: str, who: Callers, postgres: Layer, rounds: int, seconds: float
) -> dict[str, list[Slice]]:
    """The rounds of all of them, and of the statements through asyncpg alone."""
    idle = Idle(layer for asked in every for layer in asked.layers)
    async with statements(database, who.reader.id, who.saver.id) as asking:
        alone = [
            Statement(f"asyncpg, {name}", ask, postgres, seconds=seconds) for name, ask in asking.items()
        ]
        measured: list[Measured] = [*alone, *every]
        return await alternate(measured, idle, rounds=rounds)


def run(running: Installation, rounds: int, seconds: float, connections: int) -> dict[str, list[Slice]]:
    url, trust = running.url, running.trust()
    who = Callers(account(url, trust), account(url, trust))
    meshed = [
        layer
        for layer in cpu.of_installation(running.pods(), running.state, "links")
        if layer.name in ("gateway", "sidecar", "service", "postgres")
    ]
    pod = running.pod("links")
    database = local.database_url("links", running.state).reveal()
    with floors(seconds, connections) as hops_alone, alone(pod, **OFF) as off, alone(pod, **TRACED) as traced:
        places = [
            (operations.process("process alone, no telemetry", off.port), [Layer("service", (off.pid,))]),
            (operations.process("process alone, 1 % traced", traced.port), [Layer("service", (traced.pid,))]),
            (operations.edge("ingress and sidecar", url, trust), meshed),
        ]
        every = [*hops_alone, *wholes(places, who, seconds, connections)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measure(every, database, who, meshed[-1], rounds, seconds))


def show(every: list[Hop], above: list[Row], reached: list[Goal]) -> None:
    table = Table("each alone, and the whole", "requests/s", "CPU us/request", box=None)
    for hop in every:
        used = ", ".join(f"{name} {value:.0f}" for name, value in hop.cpu_us.items())
        table.add_row(hop.name, f"{hop.rate:.0f}", used)
    Console().print(table)
    table = Table("CPU us/request", "layer", "floor", "whole", "above", "the floor is", box=None)
    for row in above:
        table.add_row(
            row.operation, row.layer, f"{row.floor:.0f}", f"{row.whole:.0f}", f"{row.above:+.0f}", row.of
        )
    Console().print(table)
    table = Table("goal", "bound", "measured", "", box=None)
    for goal in reached:
        table.add_row(goal.name, goal.bound, goal.measured, "kept" if goal.is_kept else "MISSED")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-floors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--state", type=Path, help="measure the installation that runs in this folder")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    # Spans go where they go in earnest; what has to be compiled is, before anything is measured.
    install = [sys.executable, "-m", "delinkcious", "tools", "install", "jaeger"]
    subprocess.run(install, check=True, timeout=1_800, stdout=sys.stderr)
    with installation(state=chosen.state) as running:
        await_collector(running)
        found = run(running, chosen.rounds, chosen.seconds, chosen.connections)
    every, above, reached = hops(found), rows(found), goals(found)
    if chosen.output == "json":
        print(json.dumps({"hops": every, "rows": above, "goals": reached}, default=vars, indent=2))
    else:
        show(every, above, reached)
        print(f"{os.cpu_count()} cores, {chosen.connections} connections, median of {chosen.rounds} rounds")
    if missed := [goal.name for goal in reached if not goal.is_kept]:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
