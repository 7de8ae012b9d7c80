"""What a rollout's decision is made from, and what it is: samples, observations, settings, decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Phase = Literal["progressing", "holding", "aside", "promoted", "rolled_back", "inconclusive"]
Policy = Literal["hold", "retreat", "promote-if-nonblocking"]

# Istio's default upper edges of request durations around a usual objective, ms.
LATENCY_EDGES_MS = (25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0)
# What a state of at most 4 KB and a decision of milliseconds are meant for.
MAX_EDGES = 32
MAX_STEPS = 10


def _counts(what: str, requests: int, **parts: int) -> None:
    for name, value in {"requests": requests, **parts}.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{what}: {name} must be a whole number, not {value!r}")
        if value < 0:
            raise ValueError(f"{what}: {name} is negative: {value}")
        if value > requests:
            raise ValueError(f"{what}: more {name} than requests: {value} > {requests}")


@dataclass(frozen=True)
class PodSample:
    """What one pod answered in one scrape."""

    requests: int
    errors: int

    def __post_init__(self) -> None:
        _counts("pod", self.requests, errors=self.errors)


@dataclass(frozen=True)
class ArmSample:
    """What one arm answered in one scrape; `slow` counts requests slower than each edge."""

    requests: int
    errors: int
    slow: tuple[int, ...] = ()
    pods: Mapping[str, PodSample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        slow = {f"slow[{number}]": count for number, count in enumerate(self.slow)}
        _counts("arm", self.requests, errors=self.errors, **slow)


@dataclass(frozen=True)
class Observation:
    """One scrape of both arms.

    `at` is its time in seconds, `weight` the canary's configured share while it lasted, and `whole_step`
    whether that share was in force during all of it.
    """

    at: float
    weight: float
    whole_step: bool
    stable: ArmSample
    canary: ArmSample

    def __post_init__(self) -> None:
        if not math.isfinite(self.at):
            raise ValueError(f"observation: at must be a time in seconds, not {self.at}")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"observation: weight must be between 0 and 1, not {self.weight}")


@dataclass(frozen=True)
class Settings:
    """The promises and tolerances of a rollout.

    Shares and rates are fractions of one. `expected_rps` and `max_pods` describe the whole service; None
    takes them from the history. `steps` None is the automatic ladder. `request_dispersion` None measures it.
    """

    alpha_rollback: float = 0.01  # P(rollback with blame, ever) of a canary within tolerance
    alpha_promote: float = 0.01  # P(promotion) of a canary worse by the margin
    latency_edges_ms: tuple[float, ...] = LATENCY_EDGES_MS
    slo_error_rate: float = 0.01
    scrape_s: float = 15.0
    expected_rps: float | None = None
    max_pods: int | None = None
    steps: tuple[float, ...] | None = None
    step_timeout_s: float = 1800.0
    run_timeout_s: float | None = None  # None: an hour, two below 10 requests a second
    freeze_s: float = 120.0  # without data: no step
    no_data_timeout_s: float = 600.0  # without data: the end
    inconclusive: Policy = "retreat"
    min_history_s: float = 3600.0  # less says nothing about how errors cluster
    request_dispersion: float | None = None
    tail_dispersion: float = 1.0
    latency_gate: float = 0.0  # judge latency once a canary pod has this share of a stable pod's requests
    split_guard: bool = True  # False where people stay with their version: one may have most of the requests

    def __post_init__(self) -> None:
        for name in ("alpha_rollback", "alpha_promote", "slo_error_rate"):
            _between(name, getattr(self, name), 0, 1)
        for name in ("scrape_s", "step_timeout_s", "freeze_s", "no_data_timeout_s"):
            _between(name, getattr(self, name), 0, math.inf)
        for name in ("expected_rps", "run_timeout_s"):
            if getattr(self, name) is not None:
                _between(name, getattr(self, name), 0, math.inf)
        if not (math.isfinite(self.min_history_s) and self.min_history_s >= 0):
            raise ValueError(f"min_history_s must not be negative: {self.min_history_s}")
        if self.max_pods is not None and self.max_pods < 1:
            raise ValueError(f"max_pods must be at least 1, not {self.max_pods}")
        if self.inconclusive not in ("hold", "retreat", "promote-if-nonblocking"):
            raise ValueError(
                f"inconclusive must be hold, retreat or promote-if-nonblocking: {self.inconclusive}"
            )
        for name in ("request_dispersion", "tail_dispersion"):
            value = getattr(self, name)
            if value is not None and not 1 <= value < math.inf:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0 <= self.latency_gate < math.inf:
            raise ValueError(f"latency_gate must not be negative: {self.latency_gate}")
        _rising("latency_edges_ms", self.latency_edges_ms, math.inf, MAX_EDGES)
        if self.steps is not None:
            _rising("steps", self.steps, 1, MAX_STEPS)
            if not self.steps:
                raise ValueError("steps must not be empty")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value}")


def _rising(name: str, values: tuple[float, ...], high: float, most: int) -> None:
    if len(values) > most:
        raise ValueError(f"{name}: {len(values)} values, at most {most} can be judged")
    for value in values:
        _between(name, value, 0, high)
    if any(b <= a for a, b in pairwise(values)):
        raise ValueError(f"{name} must rise: {values}")


@dataclass(frozen=True)
class Decision:
    """What to do now: `weight` is the canary's share from now on.

    `wealth` is the evidence against the canary (rollback at 1/alpha), `excess` an interval, valid at any
    time, for how far its error rate lies above stable's (0 where it does not), `margin` the excess that a
    promotion rules out, `eta_s` the expected time to promotion.
    """

    phase: Phase
    weight: float
    reason: str
    wealth: float
    excess: tuple[float, float]
    margin: float
    eta_s: float | None
