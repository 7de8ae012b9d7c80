"""Raw counters of proxies, and by how much they have risen: resets, series that come and go (pure).

A proxy is read as a whole, so a series that is missing in a reading counts nothing yet: it begins at zero
when it comes, be it new or forgotten by a listener that was replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

# A metric's name and its labels.
Series = tuple[str, frozenset[tuple[str, str]]]
# Of so many series the parts are remembered, since each scrape has them again.
REMEMBERED = 50_000


@dataclass(frozen=True)
class Target:
    """A proxy that is read. `key` tells it from all others; `version` is its arm's, "" for other pods.

    `born` is a moment at which it had counted nothing, in Unix seconds; None if its pod is older than the
    run, or may be.
    """

    key: str
    pod: str
    version: str = ""
    born: float | None = None


@dataclass(frozen=True)
class Reading:
    """All that a target showed at one moment."""

    target: Target
    at: float
    values: Mapping[Series, float]


@dataclass(frozen=True)
class Rise:
    """What a target has counted between two moments, for every series of the later one; never negative."""

    target: Target
    since: float
    until: float
    by: Mapping[Series, float]


Memory = Mapping[str, Reading]


def rises(memory: Memory, readings: Iterable[Reading]) -> tuple[dict[str, Reading], list[Rise]]:
    """The last reading of every target, and what each reading adds to the one before it.

    What is not newer than what is remembered adds nothing. A target that was never read is only remembered,
    unless its pod is as young as the run.
    """
    last, found = dict(memory), []
    for reading in sorted(readings, key=lambda reading: reading.at):
        target = reading.target
        before = last.get(target.key)
        if before is not None and reading.at <= before.at:
            continue
        last[target.key] = reading
        if before is not None:
            found.append(Rise(target, before.at, reading.at, risen(before.values, reading.values)))
        elif target.born is not None:
            found.append(Rise(target, min(target.born, reading.at), reading.at, risen({}, reading.values)))
    return last, found


def risen(before: Mapping[Series, float], now: Mapping[Series, float]) -> dict[Series, float]:
    """By how much each series rose; one that fell has begun again, with all buckets of its histogram."""
    again = {
        group for series, value in now.items() if value < before.get(series, 0.0) and (group := whole(series))
    }
    by = {}
    for series, value in now.items():
        earlier = before.get(series, 0.0)
        restarted = value < earlier or (bool(again) and whole(series) in again)
        by[series] = value if restarted else value - earlier
    return by


@lru_cache(REMEMBERED)
def whole(series: Series) -> Series | None:
    """The histogram that a bucket is of; None for a counter."""
    name, labels = series
    rest = frozenset(label for label in labels if label[0] != "le")
    return (name, rest) if len(rest) < len(labels) else None
