"""How late the event loop is: what every request of the process waits for besides its own work."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Histogram

# Often enough that a stall of a tenth of a second is seen; each look costs some microseconds.
PERIOD_S = 0.1
# Seconds. Below a millisecond is a timer's own inexactness.
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


async def watch_loop(registry: CollectorRegistry) -> None:
    """Measure until cancelled by how much a timer of the running loop comes too late."""
    lag = Histogram(
        "event_loop_lag_seconds",
        "By how much a timer came too late, looked at ten times a second.",
        buckets=LAG_BUCKETS_S,
        registry=registry,
    )
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PERIOD_S
        await asyncio.sleep(PERIOD_S)
        lag.observe(max(0.0, loop.time() - due))
