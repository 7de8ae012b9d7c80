"""Budgets: ratios, verdicts, and a file that says what is wrong with it."""

from __future__ import annotations

import pytest

from tests.bench.budgets import TOLERANCE, InvalidBudgets, exceeded, judge, parse, ratio, render

FILE = b"""
machine: 2 cores
date: "2026-01-01"
budgets:
  list:
    mesh: {sidecar: 2.0, time: 3.0}
    alone: {service: 1.5}
"""


def test_a_ratio_is_that_of_each_where_it_was_least_disturbed() -> None:
    disturbed = [9.0, *[4.0] * 19]
    assert ratio(disturbed, [2.0] * 20) == 2.0


def test_a_machine_that_slows_down_both_changes_no_ratio() -> None:
    measured, base = [4.0, 4.1, 4.4, 4.2], [2.0, 2.1, 2.3, 2.2]
    assert ratio([2 * one for one in measured], [2 * one for one in base]) == ratio(measured, base)


def test_nothing_measured_is_no_ratio() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        ratio([], [1.0])


def test_a_budget_is_exceeded_only_beyond_the_tolerance() -> None:
    budgets = {"list/mesh/sidecar": 2.0, "list/alone/service": 2.0, "save/alone/service": 2.0}
    over = 2.0 * (1 + TOLERANCE) + 0.01
    measured = {"list/mesh/sidecar": over, "list/alone/service": 2.29, "save/alone/service": 1.6}
    judged = judge(budgets, measured)
    assert [one.verdict for one in judged] == ["exceeded", "kept", "can be lowered"]
    assert exceeded(judged) == ["list/mesh/sidecar"]
    assert judged[2].change == pytest.approx(-0.2)


def test_what_is_measured_without_a_budget_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidBudgets, match="no budget for save/alone/time"):
        judge({"list/alone/time": 1.0}, {"list/alone/time": 1.0, "save/alone/time": 1.0})


def test_a_budget_for_what_is_not_measured_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidBudgets, match="not measured: save/alone/time"):
        judge({"list/alone/time": 1.0, "save/alone/time": 1.0}, {"list/alone/time": 1.0})


def test_a_file_has_each_budget_by_its_whole_name() -> None:
    assert parse(FILE).flat() == {"list/mesh/sidecar": 2.0, "list/mesh/time": 3.0, "list/alone/service": 1.5}


def test_a_written_file_is_read_back() -> None:
    measured = {"list/mesh/sidecar": 2.034, "list/alone/service": 1.5}
    found = parse(render(measured, machine="2 cores", date="2026-01-01"))
    assert (found.machine, found.date) == ("2 cores", "2026-01-01")
    assert found.flat() == {"list/mesh/sidecar": 2.03, "list/alone/service": 1.5}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"2.0", b"-1", "list/mesh/sidecar: a budget is a ratio above 0"),
        (b"2.0", b".inf", "list/mesh/sidecar: a budget is a ratio above 0"),
        (b"2.0", b"much", r"Expected `float`, got `str` - at `\$.budgets"),
        (b"sidecar", b"sidecart", "list/mesh/sidecart: the last part is one of gateway, sidecar"),
        (b"machine", b"machines", "unknown field `machines`"),
        (b"budgets:", b"budgets: [", "while parsing"),
    ],
)
def test_a_fault_in_the_file_is_named(old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(InvalidBudgets, match=says):
        parse(FILE.replace(old, new, 1))


def test_a_file_without_budgets_is_none() -> None:
    with pytest.raises(InvalidBudgets, match="no budgets"):
        parse(b"{machine: here, date: today, budgets: {}}")
