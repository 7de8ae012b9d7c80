"""The objectives and the alerts as structs, read strictly: a wrong file is refused by place and reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
import yaml

FOLDER = Path(__file__).resolve().parent
SLOS = FOLDER / "slos.yaml"
ALERTS = FOLDER / "alerts"

T = TypeVar("T")

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
DURATION = r"[1-9][0-9]*[smhd]"

# Upper bounds, in milliseconds, of the histograms of Istio's metrics: only they can be counted exactly.
BUCKETS_MS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
# A window holds three samples at least, also on the local mesh with its five seconds between two.
SHORTEST_WINDOW_S = 300

Duration: TypeAlias = Annotated[str, msgspec.Meta(pattern=f"^{DURATION}$")]
Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z-]*[a-z]$")]
AlertName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^([A-Z][a-z]+)+$")]
Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
Severity: TypeAlias = Literal["page", "ticket"]


class InvalidObjectives(ValueError):
    """A file says what cannot be; the message names the file and the place."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Availability(_Strict, tag="availability", frozen=True):
    """Requests that do not fail by the server's fault, as their callers' sidecars see it."""

    protocol: Literal["http", "grpc"]

    @property
    def alert(self) -> str:
        return "AvailabilityBurn"


class Latency(_Strict, tag="latency", frozen=True):
    """Requests that are answered in time, seen from the same place; what failed is not judged twice."""

    protocol: Literal["http", "grpc"]
    within_ms: int

    @property
    def alert(self) -> str:
        return "LatencyBurn"


class Condition(_Strict, frozen=True):
    """An expression that has a value as long as something is wrong, and what that means."""

    when: Text
    means: Text


class Moments(_Strict, tag="moments", frozen=True):
    """Time in which nothing of a list is wrong: where there are no requests to count."""

    alert: AlertName
    bad: Annotated[tuple[Condition, ...], msgspec.Meta(min_length=1)]


Indicator: TypeAlias = Availability | Latency | Moments


class Objective(_Strict, frozen=True):
    """What is promised to users of one service, in per cent of requests or of time."""

    name: Name
    service: Name
    objective: Annotated[float, msgspec.Meta(gt=0, lt=100)]
    promise: Text
    indicator: Indicator
    pages: bool = True

    @property
    def budget(self) -> float:
        """The share that may go wrong."""
        return round(1 - self.objective / 100, 9)


class BurnRate(_Strict, frozen=True):
    """How fast budget may be spent before somebody is told."""

    factor: Annotated[float, msgspec.Meta(gt=0)]
    long: Duration
    short: Duration
    severity: Severity


class Objectives(_Strict, frozen=True):
    """`slos.yaml`."""

    period: Duration
    local_scale: Annotated[int, msgspec.Meta(ge=1)]
    fewest_requests: Annotated[int, msgspec.Meta(ge=1)]
    burn_rates: Annotated[tuple[BurnRate, ...], msgspec.Meta(min_length=1)]
    slos: Annotated[tuple[Objective, ...], msgspec.Meta(min_length=1)]


class Alert(_Strict, frozen=True):
    """An alert that is no objective's: `expr` has a value for everything that it is about."""

    alert: AlertName
    expr: Text
    summary: Text
    wait: Duration | None = None


class AlertFile(_Strict, frozen=True):
    """A file of `alerts/`: what its alerts are about, and how much they matter."""

    severity: Severity
    alerts: Annotated[tuple[Alert, ...], msgspec.Meta(min_length=1)]


def seconds(duration: str) -> int:
    return int(duration[:-1]) * UNITS_S[duration[-1]]


def load_objectives(path: Path = SLOS) -> Objectives:
    """Raises InvalidObjectives."""
    objectives = _read(path, Objectives)
    for fault in _faults(objectives):
        raise InvalidObjectives(f"{path.name}: {fault}")
    return objectives


def load_alerts(folder: Path = ALERTS) -> dict[str, AlertFile]:
    """The files of a folder by their names without ending; raises InvalidObjectives."""
    files = {path.stem: _read(path, AlertFile) for path in sorted(folder.glob("*.yaml"))}
    known: set[str] = set()
    for name, file in files.items():
        if file.severity == "page" and name != "symptoms":
            raise InvalidObjectives(f"{name}.yaml: only symptoms page, causes are tickets")
        for alert in file.alerts:
            if alert.alert in known:
                raise InvalidObjectives(f"{name}.yaml: {alert.alert}: there are two of this name")
            known.add(alert.alert)
            for fault in _short_windows(alert.expr):
                raise InvalidObjectives(f"{name}.yaml: {alert.alert}: {fault}")
    return files


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), kind)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise InvalidObjectives(f"{path.name}: {error}") from error


def _faults(objectives: Objectives) -> Iterator[str]:
    for rate in objectives.burn_rates:
        if seconds(rate.short) >= seconds(rate.long):
            yield f"burn rate {rate.factor:g}: the short window {rate.short} is not shorter than {rate.long}"
        if seconds(rate.short) < SHORTEST_WINDOW_S:
            yield f"burn rate {rate.factor:g}: a window has 5m at least, not {rate.short}"
    names: set[str] = set()
    for slo in objectives.slos:
        if slo.name in names:
            yield f"{slo.name}: there are two of this name"
        names.add(slo.name)
        if isinstance(slo.indicator, Latency) and slo.indicator.within_ms not in BUCKETS_MS:
            yield f"{slo.name}: within_ms {slo.indicator.within_ms} is no bound of a bucket ({BUCKETS_MS})"
        if isinstance(slo.indicator, Moments):
            for condition in slo.indicator.bad:
                yield from (f"{slo.name}: {fault}" for fault in _short_windows(condition.when))
        for rate in objectives.burn_rates:
            if rate.factor * slo.budget >= 1:
                yield f"{slo.name}: {slo.objective:g} % cannot be missed {rate.factor:g} times too fast"


def _short_windows(expression: str) -> Iterator[str]:
    for window in re.findall(rf"\[({DURATION})\]", expression):
        if seconds(window) < SHORTEST_WINDOW_S:
            yield f"a window has 5m at least, not {window}"
