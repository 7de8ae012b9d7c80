"""How the load changes over a run, as a share of its most; for locust's users and the open loop alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping

RAMP_FROM = 0.02
SOAK_RAMP = 0.1
SPIKE_BASE = 0.2
SPIKE_BEGINS, SPIKE_ENDS = 0.4, 0.6


def steady(_: float) -> float:
    """All of it, all the time."""
    return 1.0


def ramp(progress: float) -> float:
    """From next to nothing to all: where it saturates is seen on the way."""
    return RAMP_FROM + (1 - RAMP_FROM) * progress


def spike(progress: float) -> float:
    """A fifth of it; all of it in the middle fifth of the time; then a fifth again: does it recover?"""
    return 1.0 if SPIKE_BEGINS <= progress < SPIKE_ENDS else SPIKE_BASE


def soak(progress: float) -> float:
    """Slowly up in the first tenth, then all of it to the end: what leaks, grows or expires shows."""
    return max(RAMP_FROM, min(1.0, progress / SOAK_RAMP))


SHAPES: Mapping[str, Callable[[float], float]] = {
    "steady": steady,
    "ramp": ramp,
    "spike": spike,
    "soak": soak,
}


def users_at(shape: str, elapsed_s: float, duration_s: float, users: int) -> int | None:
    """How many users there are to be at that time; None when it is over."""
    if elapsed_s >= duration_s:
        return None
    return max(1, round(users * SHAPES[shape](elapsed_s / duration_s)))
