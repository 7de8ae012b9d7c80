"""The time as this process has it, so that whoever scrapes it sees a clock that is wrong."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge


def tell_time(registry: CollectorRegistry) -> None:
    gauge = Gauge("process_clock_seconds", "The time of this process, since 1970.", registry=registry)
    gauge.set_function(time.time)
