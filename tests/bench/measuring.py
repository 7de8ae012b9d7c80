"""What is set up to measure budgets: an installation, a process alone, the calibration; and their rounds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop

from tests.bench import cpu, operations
from tests.bench.budgets import ratio
from tests.bench.cpu import Layer
from tests.bench.load import Target, get
from tests.bench.operations import Callers, Place
from tests.bench.rounds import Asked, Idle, Slice, alternate
from tests.bench.running import Installation, account, alone

CALIBRATION = "calibration"
REQUESTS = 50
ROUNDS = 30
# The relay of events looks every 50 ms, then publishes.
SETTLES_WITHIN_S = 0.2
# Waiting for the processor makes times longer, never shorter: the faster ones are those of the code.
FAST = 0.1
OFF = {"OTEL_SDK_DISABLED": "true", "NATS_URL": ""}


@dataclass(frozen=True)
class Bench:
    """What runs while budgets are measured."""

    callers: Callers
    places: Mapping[str, tuple[Place, tuple[Layer, ...]]]
    calibration: tuple[Target, Layer]

    def measure(self, names: Sequence[str], within_s: float) -> dict[str, list[Slice]]:
        """The rounds of operations at places (`list/mesh`), and those of the calibration."""
        target, base = self.calibration
        layers = {layer.name: layer for _, layers in self.places.values() for layer in layers}
        every = [Asked(target, [base], requests=REQUESTS), *map(self._asked, names)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            idle = Idle([*layers.values(), base])
            found = runner.run(alternate(every, idle, rounds=ROUNDS, within_s=within_s))
        return dict(zip([CALIBRATION, *names], found.values(), strict=True))

    def _asked(self, name: str) -> Asked:
        operation, _, where = name.partition("/")
        place, layers = self.places[where]
        settle_s = SETTLES_WITHIN_S if operation == "save" else 0.0
        return Asked(
            operations.target(operation, place, self.callers), layers, requests=REQUESTS, settle_s=settle_s
        )


@contextmanager
def bench(running: Installation) -> Iterator[Bench]:
    """An installation made ready: two accounts, a process alone, the calibration."""
    # Nothing that is there on one machine and not on another.
    for tool in ("jaeger", "prometheus"):
        running.call("mesh", "scale", f"deployment/{tool}", "--replicas", "0", "-n", "observability")
    url, trust = running.call("url").strip(), running.trust()
    callers = Callers(account(url, trust), account(url, trust))
    layers = cpu.of_installation(running.pods(), running.state, "links")
    meshed = tuple(layer for layer in layers if layer.name in ("gateway", "sidecar", "service", "postgres"))
    with alone(running.pod("links"), **OFF) as process, calibration() as calibrating:
        places = {
            "mesh": (operations.edge("mesh", url, trust), meshed),
            "alone": (operations.process("alone", process.port), (Layer("alone", (process.pid,)),)),
        }
        yield Bench(callers, places, calibrating)


@contextmanager
def calibration() -> Iterator[tuple[Target, Layer]]:
    """The calibration as something to ask."""
    command = [sys.executable, "-m", "tests.bench.calibration"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield (
                Target(CALIBRATION, "127.0.0.1", port, get("/", "links")),
                Layer(CALIBRATION, (process.pid,)),
            )
        finally:
            process.terminate()


def ratios(found: Mapping[str, Sequence[Slice]]) -> dict[str, float]:
    """By the names of budgets."""
    base = found[CALIBRATION]
    base_us = [one.cpu_us[CALIBRATION] for one in base]
    made = {}
    for name, slices in found.items():
        if name == CALIBRATION:
            continue
        for layer in slices[0].cpu_us:
            part = "service" if layer == "alone" else layer
            made[f"{name}/{part}"] = ratio([one.cpu_us[layer] for one in slices], base_us)
        fast = [one.quantile_ms(FAST) for one in slices]
        made[f"{name}/time"] = ratio(fast, [one.quantile_ms(FAST) for one in base])
    return made
