"""The table of floors and wholes, and the goals, made out of measured slices; no I/O."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.rounds import Slice

Found = Mapping[str, Sequence[Slice]]

OFF = "process alone, no telemetry"
TRACED = "process alone, 1 % traced"
MESHED = "ingress and sidecar"

# With telemetry at 1 %, through ingress and sidecar: the share of the bare process's requests/s that is left.
LEAST_SHARE = 0.50
# Of the process's own requests/s, that telemetry at 1 % may cost.
MOST_TAX = 0.10
# CPU in the service, by operation.
MOST_US = {"list": 300.0, "save": 500.0}

# By layer of the whole: what is measured alone, and which parts of it are the floor.
FLOORS = {
    "list": {
        "gateway": [("Envoys, TLS and mutual TLS", "gateway")],
        "sidecar": [("Envoys, TLS and mutual TLS", "sidecar")],
        "service": [("starlette, page encoded", "service"), ("asyncpg, list", "client")],
        "postgres": [("asyncpg, list", "postgres")],
    },
    "save": {
        "gateway": [("Envoys, TLS and mutual TLS", "gateway")],
        "sidecar": [("Envoys, TLS and mutual TLS", "sidecar")],
        "service": [("starlette, fixed page", "service"), ("asyncpg, save", "client")],
        "postgres": [("asyncpg, save", "postgres")],
    },
}


@dataclass(frozen=True)
class Hop:
    """Something measured: medians of requests/s and of CPU microseconds per request by part."""

    name: str
    rate: float
    cpu_us: Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """A layer of an operation: CPU microseconds per request of its floor and of the whole."""

    operation: str
    layer: str
    floor: float
    whole: float
    of: str

    @property
    def above(self) -> float:
        return self.whole - self.floor


@dataclass(frozen=True)
class Goal:
    """A goal, its bound and what was measured as a reader wants to see them."""

    name: str
    bound: str
    measured: str
    is_kept: bool


def hops(found: Found) -> list[Hop]:
    """Everything that was measured."""
    return [
        Hop(
            name,
            statistics.median(one.rate for one in slices),
            {part: us(found, name, part) for part in slices[0].cpu_us},
        )
        for name, slices in found.items()
    ]


def rows(found: Found) -> list[Row]:
    """Each layer through ingress and sidecar against its floor, and all layers together."""
    made = []
    for operation, layers in FLOORS.items():
        own = [
            Row(
                operation,
                layer,
                sum(us(found, name, part) for name, part in parts),
                us(found, f"{operation}, {MESHED}", layer),
                " + ".join(f"{name} ({part})" for name, part in parts),
            )
            for layer, parts in layers.items()
        ]
        total = Row(operation, "together", sum(row.floor for row in own), sum(row.whole for row in own), "")
        made += [*own, total]
    return made


def goals(found: Found) -> list[Goal]:
    """What is promised of these figures, and whether it is kept."""
    share = _ratio(
        [one.rate for one in found[f"list, {MESHED}"]], [one.rate for one in found[f"list, {OFF}"]]
    )
    # CPU decides how many requests a process answers in a second, and is not disturbed by others.
    tax = 1 - _ratio(_service(found, f"list, {OFF}"), _service(found, f"list, {TRACED}"))
    made = [
        Goal(
            "list: requests/s through ingress and sidecar at 1 %, of the bare process's",
            f">= {LEAST_SHARE:.2f}",
            f"{share:.2f}",
            share >= LEAST_SHARE,
        ),
        Goal(
            "list: telemetry's share of the service's CPU at 1 %",
            f"<= {MOST_TAX:.0%}",
            f"{tax:.1%}",
            tax <= MOST_TAX,
        ),
    ]
    for operation, most in MOST_US.items():
        used = us(found, f"{operation}, {MESHED}", "service")
        made.append(
            Goal(f"{operation}: CPU in the service", f"<= {most:.0f} us", f"{used:.0f} us", used <= most)
        )
    return made


def us(found: Found, name: str, part: str) -> float:
    """The median of the rounds, microseconds of CPU per request."""
    return statistics.median(one.cpu_us[part] for one in found[name])


def _service(found: Found, name: str) -> list[float]:
    return [one.cpu_us["service"] for one in found[name]]


def _ratio(one: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))
