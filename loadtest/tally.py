"""Counts of requests: small enough for hours, exact to a percent, addable over time and over processes.

recorder.add(sample)             # in whoever sends
line = recorder.take(now)        # what came since the last line, as bytes without secrets
tally.add(line)                  # in whoever reports
tally.total().quantile_s(0.99)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

# Latencies are counted in buckets whose edges are 2 % apart, so that their middle is right to 1 %.
BUCKET_RATIO = 1.02
_LOG = math.log(BUCKET_RATIO)
SMALLEST_S = 1e-6

# Of each line; the slowest of a run are among the slowest of their second.
SLOWEST = 10
UNANSWERED = frozenset(("timeout", "disconnected", "not sent"))


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One request that is over.

    `took_s` counts from when it was meant to be sent, of which `waited_s` passed in the sender. `outcome` is
    the status, or a word of UNANSWERED. `at` is in seconds since 1970.
    """

    journey: str
    name: str
    at: float
    took_s: float
    outcome: str
    ok: bool
    trace_id: str = ""
    waited_s: float = 0.0
    traced: bool = False


class Row(msgspec.Struct, array_like=True):
    """What came of requests of one name.

    `latencies` are of those that succeeded, and of those that nobody answered: they would have taken longer
    still. A refusal is quick and says nothing of how long work takes.
    """

    outcomes: dict[str, int] = {}
    latencies: dict[int, int] = {}
    good: int = 0
    total_s: float = 0.0
    traced: int = 0

    @property
    def count(self) -> int:
        return sum(self.outcomes.values())

    @property
    def errors(self) -> dict[str, int]:
        """How many failed, by outcome."""
        return {outcome: count for outcome, count in self.outcomes.items() if not outcome.startswith("2")}

    def count_in(self, sample: Sample) -> None:
        self.outcomes[sample.outcome] = self.outcomes.get(sample.outcome, 0) + 1
        self.good += sample.ok
        self.traced += sample.traced
        if sample.ok or sample.outcome in UNANSWERED:
            bucket = bucket_of(sample.took_s)
            self.latencies[bucket] = self.latencies.get(bucket, 0) + 1
            self.total_s += sample.took_s

    def add(self, other: Row) -> None:
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        for bucket, count in other.latencies.items():
            self.latencies[bucket] = self.latencies.get(bucket, 0) + count
        self.good += other.good
        self.total_s += other.total_s
        self.traced += other.traced

    def quantile_s(self, share: float) -> float | None:
        """The latency that this share of the requests did not exceed (nearest rank); None without any."""
        rank = max(1, math.ceil(share * sum(self.latencies.values())))
        for bucket in sorted(self.latencies):
            rank -= self.latencies[bucket]
            if rank <= 0:
                return middle_s(bucket)
        return None

    def good_within(self, bound_s: float) -> int:
        """How many were answered well and in time, to the precision of a bucket."""
        last = bucket_of(bound_s)
        in_time = sum(count for bucket, count in self.latencies.items() if bucket <= last)
        return min(self.good, in_time)


def bucket_of(seconds: float) -> int:
    return math.floor(math.log(max(seconds, SMALLEST_S) / SMALLEST_S) / _LOG)


def middle_s(bucket: int) -> float:
    """The geometric middle of a bucket."""
    return SMALLEST_S * math.exp(_LOG * (bucket + 0.5))


class Line(msgspec.Struct):
    """What one sender has done since its last line.

    `late_s`: by how much it sent behind its own plan. `event` is what has just happened: "ready" when all are
    signed in, "done" when a stretch of load and all its answers are over.
    """

    at: float
    rows: list[tuple[str, str, Row]]
    slowest: list[Sample]
    users: int = 0
    late_s: float = 0.0
    event: str = ""


class Recorder:
    """Counts in one process, and gives away what it has counted."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._slowest: list[Sample] = []
        self._late_s = 0.0

    def add(self, sample: Sample) -> None:
        key = sample.journey, sample.name
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row({}, {})
        row.count_in(sample)
        self._slowest = slowest([*self._slowest, sample])

    def late(self, by_s: float) -> None:
        """The sender itself was behind by so much: what it measures then is its own trouble, too."""
        self._late_s = max(self._late_s, by_s)

    def take(self, at: float, users: int, event: str = "") -> Line:
        """Everything since the last time."""
        rows = [(journey, name, row) for (journey, name), row in self._rows.items()]
        line = Line(at, rows, self._slowest, users, self._late_s, event)
        self._rows, self._slowest, self._late_s = {}, [], 0.0
        return line


def slowest(samples: Iterable[Sample], count: int = SLOWEST) -> list[Sample]:
    """The slowest first; of requests that were answered, since the others have no end to explain."""
    known = [sample for sample in samples if sample.outcome not in UNANSWERED]
    return sorted(known, key=lambda sample: sample.took_s, reverse=True)[:count]


@dataclass
class Tally:
    """Everything counted since `began_at`, in blocks of `block_s` seconds."""

    began_at: float
    block_s: float
    blocks: dict[int, dict[tuple[str, str], Row]] = field(default_factory=dict)
    slowest: list[Sample] = field(default_factory=list)
    late_s: float = 0.0

    def add(self, line: Line) -> None:
        block = max(0, int((line.at - self.began_at) / self.block_s))
        rows = self.blocks.setdefault(block, {})
        for journey, name, row in line.rows:
            known = rows.get((journey, name))
            if known is None:
                known = rows[(journey, name)] = Row({}, {})
            known.add(row)
        self.slowest = slowest([*self.slowest, *line.slowest])
        self.late_s = max(self.late_s, line.late_s)

    def total(self, *, journey: str | None = None, name: str | None = None, block: int | None = None) -> Row:
        """All rows that fit, added up."""
        total = Row({}, {})
        for number, rows in self.blocks.items():
            if block is not None and number != block:
                continue
            for (its_journey, its_name), row in rows.items():
                if journey in (None, its_journey) and name in (None, its_name):
                    total.add(row)
        return total

    def journeys(self) -> list[str]:
        return sorted({journey for rows in self.blocks.values() for journey, _ in rows})

    def names(self) -> list[str]:
        return sorted({name for rows in self.blocks.values() for _, name in rows})

    def outcomes(self) -> Counter[str]:
        return Counter(self.total().outcomes)
