"""Gates of the clock, and the sentences that people are sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mesh.canary.runs.fields import Window
from mesh.canary.runs.gates import within
from mesh.canary.runs.journal import Ended, Entered, Event, Gated, Overwritten, Scaled
from mesh.canary.runs.notices import sentence
from tests.unit.mesh.canary.runs.test_folder import began

MONDAY = datetime(2027, 1, 18, tzinfo=UTC)


def window(**fields: Any) -> Window:
    hours = {"from_": "08:00", "until": "18:00", **fields}
    return Window(name="day", at="start", **hours)


@pytest.mark.parametrize(
    ("day", "hour", "minute", "fields", "opens"),
    [
        (18, 8, 0, {}, True),
        (18, 7, 59, {}, False),
        (18, 18, 0, {}, False),
        (17, 12, 0, {}, False),  # a Sunday
        (17, 12, 0, {"days": ("Sun",)}, True),
        (18, 23, 30, {"from_": "23:00", "until": "02:00"}, True),
        (19, 1, 30, {"from_": "23:00", "until": "02:00", "days": ("Mon",)}, True),
        (18, 1, 30, {"from_": "23:00", "until": "02:00", "days": ("Mon",)}, False),  # Sunday's night
        (18, 7, 30, {"time_zone": "Europe/Berlin"}, True),
        (18, 17, 30, {"time_zone": "Europe/Berlin"}, False),
    ],
)
def test_a_window_is_open_on_its_days_at_its_hours_in_its_zone(
    day: int, hour: int, minute: int, fields: dict[str, Any], opens: bool
) -> None:
    assert within(window(**fields), MONDAY.replace(day=day, hour=hour, minute=minute)).open is opens


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (began(), "ada begins to roll revision"),
        (Entered(at=1, stage="stepping", why=""), "the canary gets its first requests"),
        (Entered(at=1, stage="retreating", why="worse", verdict="rolled_back"), "taken back: worse"),
        (Entered(at=1, stage="warming", why=""), None),
        (Overwritten(at=1, percent=50), "somebody else has changed the weights"),
        (Gated(at=1, gate="go", open=False, why="closed"), "gate go is closed: closed"),
        (Gated(at=1, gate="go", open=True), None),
        (Ended(at=1, verdict="rolled_back", reason="worse"), "rolled back: worse"),
        (Scaled(at=1, deployment="a", replicas=1), None),
    ],
)
def test_people_hear_what_they_need(event: Event, told: str | None) -> None:
    said = sentence(began(), event)
    assert (said is None) if told is None else (said is not None and told in said)
