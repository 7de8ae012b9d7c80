"""Short slices that alternate: every round asks each target so many requests, one target after the other.

A slice takes a fraction of a second, so that whatever else the machine does meets all targets of a round
alike, and the ratio of two of them says more than either.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.bench.cpu import Layer, Meter
from tests.bench.load import Connections, Target

# A slice that takes longer ends with fewer requests.
SLICE_WITHIN_S = 10.0
IDLE_S = 0.2
# A service that was short of processor time says 503, and is well a moment later.
ATTEMPTS, PAUSE_S = 5, 1.0


@dataclass(frozen=True)
class Slice:
    """One target in one round: CPU microseconds per request by layer, requests/s, the times of all (ms)."""

    cpu_us: Mapping[str, float]
    rate: float
    times_ms: tuple[float, ...]


class Idle:
    """CPU of the layers while nobody asks: what they use is taken off, by the time that a slice took."""

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self._seen: dict[Layer, list[float]] = {layer: [] for layer in layers}

    async def look(self, seconds: float) -> None:
        if not self._seen:
            return
        meters = {layer: Meter([layer]) for layer in self._seen}
        begun = time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - begun
        for layer, meter in meters.items():
            self._seen[layer].append(meter.used_s()[layer.name] / took)

    def without(self, layer: Layer, used_s: float, took_s: float) -> float:
        """What a layer has used in some seconds, less what it uses when nobody asks."""
        seen = self._seen.get(layer)
        return max(0.0, used_s - statistics.median(seen) * took_s) if seen else used_s


class Measured(Protocol):
    """Something that can be measured for a moment, again and again."""

    name: str

    async def slice(self, idle: Idle) -> Slice: ...

    async def close(self) -> None: ...


class Asked:
    """A target: in each slice so many requests, or as many as so many seconds take.

    `layers` are those whose CPU is read. `settle_s`: what the requests have set going (the relay of events)
    belongs to them, and is done after so long.
    """

    def __init__(
        self,
        target: Target,
        layers: Sequence[Layer],
        *,
        requests: int | None = None,
        seconds: float = SLICE_WITHIN_S,
        connections: int = 1,
        settle_s: float = 0.0,
    ) -> None:
        self.name = target.name
        self.layers = tuple(layers)
        self._connections = Connections(target, connections)
        self._requests, self._seconds, self._settle_s = requests, seconds, settle_s

    async def slice(self, idle: Idle) -> Slice:
        """One slice; one with an answer other than 2xx measured something else, and is repeated.

        The end of the measurement when that goes on.
        """
        statuses: Mapping[int, int] = {}
        for _ in range(ATTEMPTS):
            meter = Meter(self.layers)
            begun = time.perf_counter()
            result = await self._connections.run(seconds=self._seconds, requests=self._requests)
            if self._settle_s:
                await asyncio.sleep(self._settle_s)
            used, took = meter.used_s(), time.perf_counter() - begun
            statuses = result.statuses
            if result.all_well:
                per_request = 1e6 / len(result.latencies_s)
                cpu = {
                    layer.name: idle.without(layer, used[layer.name], took) * per_request
                    for layer in self.layers
                }
                return Slice(cpu, result.rate, tuple(1000 * each for each in result.latencies_s))
            print(f"{self.name} once more: {dict(statuses)}", file=sys.stderr)
            await asyncio.sleep(PAUSE_S)
        raise SystemExit(f"{self.name}: not every answer was 2xx: {dict(statuses)}")

    async def close(self) -> None:
        await self._connections.close()


async def alternate(
    every: Sequence[Measured], idle: Idle, *, rounds: int, fewest: int = 1, within_s: float = math.inf
) -> dict[str, list[Slice]]:
    """So many rounds, or those that fit into `within_s` (`fewest` in any case), by name.

    Before them is one that warms up and is not kept.
    """
    found: dict[str, list[Slice]] = {one.name: [] for one in every}
    stop_at = time.perf_counter() + within_s
    try:
        for number in range(rounds + 1):
            if number > fewest and time.perf_counter() > stop_at:
                break
            await idle.look(IDLE_S)
            # Each comes behind and before each of its neighbours.
            for one in every if number % 2 else reversed(every):
                measured = await one.slice(idle)
                if number:
                    found[one.name].append(measured)
    finally:
        for one in every:
            await one.close()
    return found
