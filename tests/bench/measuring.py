"""What is set up to measure budgets: an installation, a process alone, the calibration; and their rounds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg
import psutil
import uvloop

from delinkcious import local
from tests.bench import cpu, operations
from tests.bench.budgets import ratio
from tests.bench.cpu import Layer
from tests.bench.floor_envoy import HOST, Certificates, envoy
from tests.bench.floor_sql import Statement
from tests.bench.load import Target, get, load
from tests.bench.operations import NAMES, Callers, Place
from tests.bench.rounds import Asked, Idle, Measured, Slice, alternate
from tests.bench.running import Installation, Started, account, alone

# What is compared to what: a layer to a process of its own kind, which a busy machine slows down alike.
CALIBRATION, PROXIES, STATEMENT = "calibration", "bare proxies", "statement"
BASES = {"gateway": PROXIES, "sidecar": PROXIES, "service": CALIBRATION, "postgres": STATEMENT}
# As fixed as anything in a database is: its own catalogue, in an order that an index has.
CATALOGUE = "SELECT oid, relname, relkind, relpages, relacl FROM pg_class ORDER BY oid LIMIT 40"
# About what an access token has.
TOKEN_CHARACTERS = 400
# So few that many slices meet nobody else, enough that what happens once in some requests is in each.
REQUESTS = 20
# A page of 20 and more.
LINKS = 24
ROUNDS, FEWEST_ROUNDS = 100, 10
BACKENDS = "SELECT pid, client_port FROM pg_stat_activity WHERE client_port > 0"
# Events would be relayed by this process or by the pod's, whoever is first.
WITHOUT_RELAY = {"NATS_URL": ""}


@dataclass(frozen=True)
class Bench:
    """What runs while budgets are measured."""

    callers: Callers
    places: Mapping[str, tuple[Place, tuple[Layer, ...]]]
    bases: Mapping[str, tuple[Target, tuple[Layer, ...]]]
    database: str

    def measure(self, names: Sequence[str], within_s: float) -> dict[str, list[Slice]]:
        """The rounds of operations at places (`list/mesh`), and those of what they are compared to."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._alternate(names, within_s))

    async def _alternate(self, names: Sequence[str], within_s: float) -> dict[str, list[Slice]]:
        connection = await asyncpg.connect(self.database)
        try:
            # By what is there now: else the plan would change in the middle, when the server looks by itself.
            await connection.execute("VACUUM ANALYZE links")
            backend = Layer("postgres", (connection.get_server_pid(),))
            statement = Statement(STATEMENT, lambda: connection.fetch(CATALOGUE), backend, requests=REQUESTS)
            bases = [Asked(target, layers, requests=REQUESTS) for target, layers in self.bases.values()]
            every: list[Measured] = [*bases, statement, *map(self._asked, names)]
            found = await alternate(every, Idle(), rounds=ROUNDS, fewest=FEWEST_ROUNDS, within_s=within_s)
        finally:
            await connection.close()
        return dict(zip([*self.bases, STATEMENT, *names], found.values(), strict=True))

    def _asked(self, name: str) -> Asked:
        operation, _, where = name.partition("/")
        place, layers = self.places[where]
        return Asked(operations.target(operation, place, self.callers), layers, requests=REQUESTS)


@contextmanager
def bench(running: Installation) -> Iterator[Bench]:
    """An installation made ready: two accounts, a process alone, the calibration.

    Through the mesh only the proxies' CPU is read: the pod's process also relays events and looks after
    itself. The service's own is that of the process alone, which does nothing but answer.
    """
    # Nothing that is there on one machine and not on another.
    for tool in ("jaeger", "prometheus"):
        running.client.post("/scale", {"namespace": local.OBSERVABILITY, "name": tool, "replicas": 0})
    url, trust = running.url, running.trust()
    callers = Callers(account(url, trust, LINKS), account(url, trust, 0))
    layers = cpu.of_installation(running.pods(), running.state, "links")
    proxies = tuple(layer for layer in layers if layer.name in ("gateway", "sidecar"))
    database = local.database_url("links", running.state).reveal()
    with alone(running.pod("links"), **WITHOUT_RELAY) as process, bases() as compared:
        place = operations.process("alone", process.port)
        for operation in NAMES:
            asyncio.run(
                load(operations.target(operation, place, callers), connections=1, seconds=1, requests=5)
            )
        backends = Layer("postgres", asyncio.run(backends_of(process, database)))
        places = {
            "mesh": (operations.edge("mesh", url, trust), proxies),
            "alone": (place, (Layer("service", (process.pid,)), backends)),
        }
        yield Bench(callers, places, compared, database)


async def backends_of(process: Started, database: str) -> tuple[int, ...]:
    """PostgreSQL's processes that serve the connections of a process."""
    ports = {one.laddr.port for one in psutil.Process(process.pid).net_connections("tcp") if one.raddr}
    connection = await asyncpg.connect(database)
    try:
        return tuple(row["pid"] for row in await connection.fetch(BACKENDS) if row["client_port"] in ports)
    finally:
        await connection.close()


@contextmanager
def bases() -> Iterator[dict[str, tuple[Target, tuple[Layer, ...]]]]:
    """The calibration, and Envoys before it that only forward: with TLS at the edge, mutual TLS between."""
    certificates = Certificates()
    request = get("/", "links", [("authorization", "Bearer " + "." * TOKEN_CHARACTERS)])
    outside, mutual = certificates.server(mutual=False), certificates.server(mutual=True)
    with (
        calibration() as plain,
        envoy(plain.port, server=mutual) as inner,
        envoy(inner.port, server=outside, client=certificates.client()) as outer,
    ):
        calibrating = Target(CALIBRATION, HOST, plain.port, request)
        proxied = Target(PROXIES, HOST, outer.port, request, certificates.trust())
        yield {
            CALIBRATION: (calibrating, (Layer("service", (plain.pid,)),)),
            PROXIES: (proxied, (Layer("gateway", (outer.pid,)), Layer("sidecar", (inner.pid,)))),
        }


@contextmanager
def calibration() -> Iterator[Started]:
    """The calibration's process."""
    command = [sys.executable, "-m", "tests.bench.calibration"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Started(process.pid, int(process.stdout.readline()))
        finally:
            process.terminate()


def ratios(found: Mapping[str, Sequence[Slice]]) -> dict[str, float]:
    """By the names of budgets, each to its like."""
    made = {}
    for name, slices in found.items():
        if "/" not in name:
            continue
        for layer in slices[0].cpu_us:
            base = [one.cpu_us[layer] for one in found[BASES[layer]]]
            made[f"{name}/{layer}"] = ratio([one.cpu_us[layer] for one in slices], base)
        base_name = PROXIES if name.endswith("/mesh") else CALIBRATION
        made[f"{name}/time"] = ratio(_fast(slices), _fast(found[base_name]))
    return made


def _fast(slices: Sequence[Slice]) -> list[float]:
    """Of each round the time of the fastest request (ms): the others waited for the processor."""
    return [min(one.times_ms) for one in slices]
