"""Durations as people write them in Istio (`1h30m`, `250ms`) and as Envoy's JSON takes them (`0.25s`)."""

from __future__ import annotations

import re
from decimal import Decimal

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}


def seconds(text: str) -> Decimal:
    """The length of a duration in seconds; what is no duration counts as nothing."""
    return sum((Decimal(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), Decimal(0))


def envoy(text: str) -> str:
    """The duration in proto JSON."""
    value = seconds(text).quantize(Decimal("1e-9")).normalize()
    return f"{value:f}s"
