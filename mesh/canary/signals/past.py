"""Stable's scrapes of the past, as one scrape after the other would have given them (pure)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh.canary.model import ArmSample
from mesh.canary.signals.arms import ANSWERING, arms, calls
from mesh.canary.signals.counters import Reading, Rise, rises
from mesh.canary.signals.source import Measured

# A rise over more than so many scrapes spans a hole.
HOLE = 1.5


@dataclass
class _Slot:
    """The rises that end in one scrape's time; `seen` is who was read in it."""

    rises: list[Rise] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)


class Slots:
    """Scrapes of `scrape_s` seconds, filled in the order of time.

    Every target has its own moment within an interval: it is asked for which of its intervals a reading is.
    """

    def __init__(self, measured: Measured, scrape_s: float) -> None:
        self._measured = measured
        self._scrape_s = scrape_s
        self._memory: dict[str, Reading] = {}
        self._origin = 0.0
        self._first: dict[str, float] = {}
        self._slots: defaultdict[int, _Slot] = defaultdict(_Slot)
        self._of_interest: set[str] = set()

    def add(self, readings: Iterable[Reading]) -> None:
        """Readings that are not older than those before."""
        every = list(readings)
        if not self._first:
            self._origin = min((reading.at for reading in every), default=0.0)
        for reading in every:
            self._first.setdefault(reading.target.key, reading.at)
            if calls(reading.values, self._measured) or reading.target.version == self._measured.stable:
                self._of_interest.add(reading.target.key)
            self._slots[self._number(reading.target.key, reading.at)].seen.add(reading.target.key)
        self._memory, found = rises(self._memory, every)
        for rise in found:
            if rise.until - rise.since <= HOLE * self._scrape_s:
                slot = self._slots[self._number(rise.target.key, rise.until)]
                slot.rises.append(rise)
                slot.counted.add(rise.target.key)

    def samples(self) -> list[ArmSample]:
        """Those scrapes in which nine of ten that were there were read."""
        numbers = sorted(self._slots)
        return [
            arms(self._slots[number].rises, self._measured)[self._measured.stable].sample()
            for number in numbers
            if self._whole(number)
        ]

    def _whole(self, number: int) -> bool:
        there: set[str] = set()
        for near in (number - 1, number, number + 1):
            if near in self._slots:
                there |= self._slots[near].seen
        there &= self._of_interest
        return bool(there) and len(self._slots[number].counted & there) >= ANSWERING * len(there)

    def _number(self, key: str, at: float) -> int:
        first = self._first[key]
        return math.floor((first - self._origin) / self._scrape_s) + math.floor(
            (at - first) / self._scrape_s + 0.5
        )
