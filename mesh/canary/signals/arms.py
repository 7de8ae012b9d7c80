"""What both arms answered, out of what proxies counted (pure).

Requests, errors and durations are those of the callers' proxies, which see requests that no pod answered, or
of the pods' own, as `Measured.reporter` says; what single pods answered is always their own proxies' word.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest

from mesh.canary.model import ArmSample, PodSample
from mesh.canary.signals.counters import REMEMBERED, Memory, Reading, Rise, Series, rises
from mesh.canary.signals.source import Measured, NoEvidence, Scrape

REQUESTS = "istio_requests_total"
DURATIONS = "istio_request_duration_milliseconds_bucket"
# A call without a status has none to be judged by; its code and its flags say what became of it.
_GRPC_FINE = frozenset({"", "-", "0", "OK"})
# Of the pods of an arm, and of those that call it, so many must have answered.
ANSWERING = 0.9


@dataclass(frozen=True)
class Kind:
    """What a series counts: `end` is a bucket's upper edge in ms, None for requests.

    `judged` is what the arms' requests are summed of, `served` what a pod has answered; it may be both.
    """

    judged: bool
    served: bool
    version: str
    error: bool
    end: float | None


@lru_cache(REMEMBERED)
def kind(series: Series, measured: Measured) -> Kind | None:
    """None for what is no evidence: no request to one of the two arms, or one by another method."""
    name, pairs = series
    labels = dict(pairs)
    version, reporter = labels.get("destination_version", ""), labels.get("reporter")
    if (
        name not in (REQUESTS, DURATIONS)
        or reporter not in ("source", "destination")
        or version not in (measured.stable, measured.canary)
        or labels.get("destination_service_name") != measured.service
        or labels.get("destination_service_namespace") != measured.namespace
        or (measured.method and labels.get("request_method") != measured.method)
    ):
        return None
    judged, served = reporter == measured.reporter, reporter == "destination"
    if name == REQUESTS:
        return Kind(judged, served, version, _failed(labels, measured.error_flags), None)
    try:
        return Kind(judged, served, version, False, float(labels["le"]))
    except (KeyError, ValueError):
        return None


def _failed(labels: dict[str, str], error_flags: Collection[str]) -> bool:
    return (
        labels.get("response_code", "").startswith("5")
        or not set(error_flags).isdisjoint(labels.get("response_flags", "").split(","))
        or labels.get("grpc_response_status", "") not in _GRPC_FINE
    )


def calls(values: Iterable[Series], measured: Measured) -> bool:
    """Whether who counts these series has sent requests to the arms, where callers are who is asked."""
    if measured.reporter != "source":
        return False
    return any((found := kind(series, measured)) is not None and found.judged for series in values)


def judges(reading: Reading, measured: Measured) -> bool:
    """Whether this proxy's counts are what an arm is judged by: its pod is one of the arm's, or calls it."""
    if measured.reporter == "destination":
        return reading.target.version in (measured.stable, measured.canary)
    return calls(reading.values, measured)


@dataclass
class Arm:
    """Sums; `within` counts durations up to each edge, `timed` all of them."""

    within: list[float]
    requests: float = 0.0
    errors: float = 0.0
    timed: float = 0.0
    pods: dict[str, PodSample] = field(default_factory=dict)

    def slow(self) -> tuple[int, ...]:
        return tuple(max(0, round(self.timed - within)) for within in self.within)

    def sample(self, owed: Sequence[int] = ()) -> ArmSample:
        """Whole numbers that fit each other; `owed` slow requests are those of earlier scrapes."""
        requests = round(self.requests)
        slow = [count + more for count, more in zip_longest(self.slow(), owed, fillvalue=0)]
        errors = min(requests, round(self.errors))
        return ArmSample(requests, errors, tuple(min(requests, count) for count in slow), self.pods)


class Counted:
    """All that is remembered of the counters of one run."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._owed: dict[str, tuple[int, ...]] = {}
        self.memory: Memory = {}

    def scrape(self, readings: Iterable[Reading]) -> Scrape | None:
        """What is new; None, and nothing is remembered, while nobody whose counts judge was read again.

        The first time it only remembers. Raises NoEvidence, and remembers nothing, where a proxy has no
        bucket that ends at an edge.
        """
        first = not self.memory
        last, found = rises(self.memory, readings)
        if first:
            self.memory = last
            return None
        known = {key for key, reading in last.items() if judges(reading, self._measured)}
        judging = [rise for rise in found if rise.target.key in known] if known else found
        if not judging:
            return None
        since, until = min(rise.since for rise in judging), max(rise.until for rise in judging)
        sums = arms(found, self._measured)
        self.memory = last
        stable, canary = (self._sample(version, arm) for version, arm in sums.items())
        return Scrape(since, until, stable, canary)

    def _sample(self, version: str, arm: Arm) -> ArmSample:
        """Envoy counts durations up to five seconds after their requests: where those are more than the
        requests of this scrape, the rest is said with the next ones."""
        owed = self._owed.get(version, ())
        sample = arm.sample(owed)
        due = zip_longest(arm.slow(), owed, fillvalue=0)
        self._owed[version] = tuple(sum(both) - said for both, said in zip(due, sample.slow, strict=True))
        return sample


def arms(found: Iterable[Rise], measured: Measured) -> dict[str, Arm]:
    """The sums of stable and canary, in this order. Raises NoEvidence."""
    sums = {version: Arm([0.0] * len(measured.edges_ms)) for version in (measured.stable, measured.canary)}
    served: dict[str, tuple[str, list[float]]] = {}
    for rise in found:
        ends: set[float] = set()
        for series, by in rise.by.items():
            what = kind(series, measured)
            if what is None:
                continue
            if what.served and what.end is None:
                _, own = served.setdefault(rise.target.pod, (what.version, [0.0, 0.0]))
                own[0] += by
                own[1] += by if what.error else 0.0
            if not what.judged:
                continue
            if what.end is None:
                sums[what.version].requests += by
                sums[what.version].errors += by if what.error else 0.0
            else:
                ends.add(what.end)
                _time(sums[what.version], what.end, by, measured.edges_ms)
        if ends and (missing := set(measured.edges_ms) - ends):
            raise NoEvidence(no_bucket(min(missing), rise.target.pod))
        if rise.target.version in sums:
            served.setdefault(rise.target.pod, (rise.target.version, [0.0, 0.0]))
    for pod, (version, (requests, errors)) in served.items():
        sums[version].pods[pod] = PodSample(round(requests), min(round(errors), round(requests)))
    return sums


def _time(arm: Arm, end: float, by: float, edges_ms: Sequence[float]) -> None:
    if math.isinf(end):
        arm.timed += by
    elif end in edges_ms:
        arm.within[edges_ms.index(end)] += by


def no_bucket(edge_ms: float, pod: str) -> str:
    return f"no bucket of the durations that {pod} counts ends at {edge_ms:g} ms"


def missing_edges(measured: Measured, bounds_ms: Sequence[float]) -> str:
    """Which edges cannot be judged, as a sentence with what there is; "" for none.

    Without bounds nothing is known yet, and nothing is missing.
    """
    known = set(bounds_ms)
    missing = [f"{edge:g}" for edge in measured.edges_ms if edge not in known]
    if not known or not missing:
        return ""
    there = ", ".join(f"{bound:g}" for bound in sorted(known) if math.isfinite(bound))
    return f"no bucket of {measured.service}'s durations ends at {', '.join(missing)} ms; there are {there}"


def too_silent(what: str, answered: Collection[str], silent: Collection[str]) -> str:
    """Why so many silent ones are too many, as a sentence; "" if they are not."""
    every = len(answered) + len(silent)
    if not silent or len(answered) >= ANSWERING * every:
        return ""
    return f"only {len(answered)} of {every} {what} answered, not {', '.join(sorted(silent)[:3])}"
