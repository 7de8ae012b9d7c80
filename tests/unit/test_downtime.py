"""What counts as failed while something happens, and which rows of the table hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.downtime.load import DEEDS, LIST, SAVE, Answer, failures, p99_ms, statuses
from tests.downtime.rows import Row
from tests.downtime.table import CASES, Case

ROW = Row("restart", 1.0, 1_000, 0, {}, {}, 10, 20, acknowledged=250, lost=0, doubled=0)


def answered(outcome: str, seconds: float = 0.01, *, fresh: bool = False) -> Answer:
    return Answer(SAVE, 0.0, seconds, outcome, fresh)


def test_whatever_is_not_the_expected_status_has_failed() -> None:
    answers = [answered("201"), answered("200"), answered("503", fresh=True), answered("ReadError")]
    assert [answer.failed for answer in answers] == [False, True, True, True]
    assert statuses(answers) == {"200": 1, "503": 1, "ReadError": 1}
    assert failures(answers) == {"save: 200": 1, "save on a new connection: 503": 1, "save: ReadError": 1}


def test_the_99th_percentile_is_the_time_that_one_in_a_hundred_exceeds() -> None:
    assert p99_ms([answered("201", seconds=number / 1000) for number in range(1, 201)]) == 198.0
    assert p99_ms([]) == 0.0


def test_a_quarter_of_the_load_are_saves_and_every_service_is_passed() -> None:
    assert DEEDS.count(SAVE) * 4 == len(DEEDS)
    assert LIST in DEEDS
    passed = {name for deed in DEEDS for name in deed.passes.split(", ")}
    assert passed == {"users", "links", "social-graph", "news", "web"}


def happens(_: object) -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("case", "changes", "holds"),
    [
        (Case("restart", happens), {}, True),
        (Case("restart", happens), {"failed": 1}, False),
        (Case("kill", happens, reason="it is away"), {"failed": 900}, True),
        (Case("kill", happens, reason="it is away"), {"lost": 1}, False),
        (Case("kill", happens, reason="it is away"), {"doubled": 1}, False),
        (Case("gateway", happens, reason="queued", allowed=0.02), {"failed": 20}, True),
        (Case("gateway", happens, reason="queued", allowed=0.02), {"failed": 21}, False),
    ],
)
def test_a_row_holds_when_nothing_failed_that_may_not(
    case: Case, changes: dict[str, Any], *, holds: bool
) -> None:
    assert case.holds(dataclasses.replace(ROW, **changes)) is holds


def test_every_row_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
