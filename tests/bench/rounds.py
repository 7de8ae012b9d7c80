"""Short slices that alternate: every round asks each target so many requests, one target after the other.

A slice takes a fraction of a second, so that whatever else the machine does meets all targets of a round
alike, and the ratio of two of them says more than either.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.cpu import Layer, Meter
from tests.bench.load import Connections, Target

# A slice that takes longer ends with fewer requests.
SLICE_WITHIN_S = 10.0
IDLE_S = 0.2
# A service that was short of processor time says 503, and is well a moment later.
ATTEMPTS, PAUSE_S = 5, 1.0
# A median of fewer is none, however long they take.
FEWEST_ROUNDS = 8


@dataclass(frozen=True)
class Asked:
    """A target, and how it is asked in each round: so many requests, or as many as so many seconds take.

    `layers` are those whose CPU is read. `settle_s`: what the requests have set going (the relay of events)
    belongs to them, and is done after so long.
    """

    target: Target
    requests: int | None = None
    connections: int = 1
    layers: tuple[Layer, ...] = ()
    settle_s: float = 0.0
    seconds: float = SLICE_WITHIN_S


@dataclass(frozen=True)
class Slice:
    """One target in one round: CPU microseconds per request by layer, requests/s, the times of all (ms)."""

    cpu_us: Mapping[str, float]
    rate: float
    times_ms: tuple[float, ...]

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Idle:
    """CPU of the layers while nobody asks: what they use is taken off, by the time that a slice took."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)
        self._seen: list[dict[str, float]] = []

    async def look(self, seconds: float) -> None:
        meter = Meter(self._layers)
        await asyncio.sleep(seconds)
        self._seen.append({name: used / seconds for name, used in meter.used_s().items()})

    def share(self, layer: str) -> float:
        """CPU seconds of each second; 0 for a layer that was not looked at."""
        return statistics.median(seen.get(layer, 0.0) for seen in self._seen) if self._seen else 0.0


async def ask(asked: Asked, connections: Connections, idle: Idle | None = None) -> Slice:
    """One slice; one with an answer other than 2xx measured something else, and is repeated.

    The end of the measurement when that goes on.
    """
    for _ in range(ATTEMPTS):
        measured, statuses = await _slice(asked, connections, idle)
        if measured is not None:
            return measured
        print(f"{asked.target.name} once more: {statuses}", file=sys.stderr)
        await asyncio.sleep(PAUSE_S)
    raise SystemExit(f"{asked.target.name}: not every answer was 2xx: {statuses}")


async def _slice(
    asked: Asked, connections: Connections, idle: Idle | None
) -> tuple[Slice | None, dict[int, int]]:
    clock = asyncio.get_running_loop().time
    meter, begun = Meter(asked.layers), clock()
    result = await connections.run(seconds=asked.seconds, requests=asked.requests)
    if asked.settle_s:
        await asyncio.sleep(asked.settle_s)
    used, took = meter.used_s(), clock() - begun
    if not result.all_well:
        return None, dict(result.statuses)
    count = len(result.latencies_s)
    cpu = {
        name: max(0.0, value - (idle.share(name) if idle else 0.0) * took) * 1e6 / count
        for name, value in used.items()
    }
    times = tuple(1000 * time for time in result.latencies_s)
    return Slice(cpu, result.rate, times), dict(result.statuses)


async def alternate(
    every: Sequence[Asked], *, rounds: int, within_s: float = math.inf, idle: Idle | None = None
) -> dict[str, list[Slice]]:
    """So many rounds, or those that fit into `within_s`, by the target's name.

    Before them is one that warms up and is not kept.
    """
    opened = [Connections(asked.target, asked.connections) for asked in every]
    found: dict[str, list[Slice]] = {asked.target.name: [] for asked in every}
    clock = asyncio.get_running_loop().time
    stop_at = clock() + within_s
    try:
        for number in range(rounds + 1):
            if number > FEWEST_ROUNDS and clock() > stop_at:
                break
            if idle is not None:
                await idle.look(IDLE_S)
            # Each comes behind and before each of its neighbours.
            for asked, connections in sorted(
                zip(every, opened, strict=True),
                key=lambda pair: every.index(pair[0]),
                reverse=number % 2 == 0,
            ):
                measured = await ask(asked, connections, idle)
                if number:
                    found[asked.target.name].append(measured)
            print(f"round {number} of {rounds} done", file=sys.stderr)
    finally:
        for connections in opened:
            connections.close()
    return found
