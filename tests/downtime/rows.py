"""One row of the table: an event under constant load, and what failed while it happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests.downtime.load import RATE, Load, constant, failures, p99_ms, statuses
from tests.e2e.installation import Installation, eventually
from tests.e2e.traffic import all_links

# Answers before the event, to compare with, and behind it, since what it broke may show later.
BEFORE = 200
AFTER = 150
ANSWERED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Row:
    """What an event cost. `failed` counts requests of the whole time, `lost` and `doubled` are saves."""

    event: str
    seconds: float
    sent: int
    failed: int
    statuses: dict[str, int]
    failures: dict[str, int]
    p99_before_ms: float
    p99_during_ms: float
    acknowledged: int
    lost: int
    doubled: int
    reason: str = ""

    def __str__(self) -> str:
        failed = f"{self.failed} of {self.sent} failed {self.failures or ''}".rstrip()
        p99 = f"p99 {self.p99_before_ms:g} ms, then {self.p99_during_ms:g} ms"
        saves = f"{self.acknowledged} saves, {self.lost} lost, {self.doubled} doubled"
        return f"{self.event}: {self.seconds:g} s, {failed}; {p99}; {saves}"

    def json(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    installation: Installation,
    event: str,
    happen: Callable[[], object],
    *,
    saves_again: bool = False,
    rate: float = RATE,
    reason: str = "",
) -> Row:
    """Let it happen under load; `reason` is why requests may fail, and stands in the row when some did."""
    with constant(installation, rate=rate, saves_again=saves_again) as load:
        began = time.monotonic()
        _answered(load, began, BEFORE)
        before = time.monotonic()
        happen()
        ended = time.monotonic()
        _answered(load, ended, AFTER)
    during = load.between(before, ended)
    found = failures(load.answers)
    lost, doubled = _lost_and_doubled(installation, load)
    return Row(
        event=event,
        seconds=round(ended - before, 1),
        sent=len(load.answers),
        failed=found.total(),
        statuses=statuses(load.answers),
        failures=dict(found.most_common()),
        p99_before_ms=round(p99_ms(load.between(began, before))),
        p99_during_ms=round(p99_ms(during)),
        acknowledged=len(load.acknowledged),
        lost=lost,
        doubled=doubled,
        reason=reason if found else "",
    )


def _answered(load: Load, since: float, answers: int) -> None:
    """Wait for so many good answers to requests that were sent since then."""
    eventually(lambda: load.succeeded_since(since) >= answers, ANSWERED_WITHIN_S, "the load is answered")


def _lost_and_doubled(installation: Installation, load: Load) -> tuple[int, int]:
    """Acknowledged saves that are not there; links that are there twice, or that a second save changed."""
    with installation.edge() as edge:
        kept = [link for writer in load.writers for link in all_links(edge, writer)]
    times = Counter(link["url"] for link in kept)
    lost = sum(times[url] == 0 for url in load.acknowledged)
    doubled = sum(number > 1 for number in times.values()) + sum(link["version"] > 1 for link in kept)
    return lost, doubled
