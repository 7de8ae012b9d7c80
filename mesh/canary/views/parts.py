"""What a story is made of: scrapes, shares, things that last, lines (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.canary.model import Decision, PodSample
from mesh.canary.views import words

NOTHING = PodSample(0, 0)


@dataclass(frozen=True)
class Point:
    """One scrape. `decided` is false where the canary has all requests already and no decision follows."""

    at: float
    percent: int
    stable: PodSample
    canary: PodSample
    wealth: float
    excess: tuple[float, float]
    margin: float
    decided: bool


@dataclass
class Step:
    """A share of the requests, as long as it was in force; what both arms answered, and the last decision."""

    percent: int
    since: float
    until: float | None = None
    header: bool = False
    mirror: bool = False
    stable: PodSample = NOTHING
    canary: PodSample = NOTHING
    decision: Decision | None = None


@dataclass
class Span:
    """Something that lasted: a stage, a gate that held, a pause."""

    what: str
    since: float
    why: str = ""
    until: float | None = None

    def lasted(self, now: float) -> float:
        return (now if self.until is None else self.until) - self.since


@dataclass(frozen=True)
class Note:
    """An event worth a line, with its number in the journal."""

    number: int
    at: float
    text: str
    tone: words.Tone


@dataclass(frozen=True)
class Ladder:
    """The shares of the run in percent, and the excess that each rules out before the next."""

    steps: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()


def plus(one: PodSample, other: PodSample) -> PodSample:
    return PodSample(one.requests + other.requests, one.errors + other.errors)
