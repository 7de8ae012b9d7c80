"""The knee on curves whose knee is known, and the steps that lead to it."""

# ruff: noqa: S311 - chance for tests
from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from delinkcious.load.knee import Point, judge, knee, next_rate, refined, told

RATES = [20.0 * 1.5**step for step in range(11)]


def point(offered: float, goodput: float) -> Point:
    return Point(offered, offered, goodput, 1.0, 10.0, 0, {})


def curve(goodput: Callable[[float], float], rates: list[float] = RATES) -> list[Point]:
    return [point(rate, goodput(rate)) for rate in rates]


def flat(rate: float) -> float:
    return min(rate, 300.0)


def collapsing(rate: float) -> float:
    return rate if rate <= 300 else max(20.0, 300 - (rate - 300))


def soft(rate: float) -> float:
    """Approaches 400 without ever bending sharply: a queue that fills."""
    return 400 * rate / (rate + 200)


@pytest.mark.parametrize("shape", [flat, collapsing])
def test_the_knee_is_the_last_step_that_is_borne(shape: Callable[[float], float]) -> None:
    found = knee(curve(shape, [50, 100, 200, 250, 300, 350, 450, 600]))
    assert found is not None
    assert found.offered == 300


def test_a_soft_curve_has_its_knee_where_it_bends_most() -> None:
    found = knee(curve(soft))
    assert found is not None
    assert 150 < found.offered < 500


@pytest.mark.parametrize("seed", range(20))
def test_noise_moves_the_knee_by_a_step_at_most(seed: int) -> None:
    dice = random.Random(seed)
    rates = [50.0, 100, 150, 200, 250, 300, 350, 400, 500, 600]
    found = knee([point(rate, flat(rate) * dice.gauss(1, 0.02)) for rate in rates])
    assert found is not None
    assert 250 <= found.offered <= 350


def test_who_keeps_up_with_everything_has_no_knee_yet() -> None:
    assert knee(curve(lambda rate: rate)) is None
    assert knee(curve(lambda rate: rate * 0.97)) is None


def test_too_few_steps_have_no_knee() -> None:
    assert knee(curve(flat, [100, 600])) is None


def test_a_first_step_that_is_too_much_is_the_knee_itself() -> None:
    found = knee(curve(lambda _: 10.0))
    assert found is not None
    assert found.offered == RATES[0]


def test_a_collapse_is_told_from_a_plateau() -> None:
    rates = [100.0, 200, 300, 400, 500, 600]
    plateau, fallen = judge(curve(flat, rates)), judge(curve(collapsing, rates))
    assert (plateau.held, plateau.collapsed) == (1.0, False)
    assert fallen.collapsed
    assert fallen.held < 0.1
    assert fallen.most.offered == 300


def test_a_step_whose_sender_was_late_is_not_judged() -> None:
    points = curve(flat, [100.0, 200, 300, 400, 500, 600])
    starved = msgspec.structs.replace(points[-2], goodput=20.0, late_ms=600.0)
    found = judge([*points[:-2], starved, points[-1]])
    assert not found.collapsed
    assert judge([*points[:-2], msgspec.structs.replace(starved, late_ms=0.0), points[-1]]).collapsed


def test_a_verdict_is_told_in_sentences() -> None:
    said = told(judge(curve(collapsing, [100.0, 200, 300, 400, 500, 600])))
    assert "The knee: 300 a second offered" in said[0]
    assert "Past the most throughput collapses: at worst" in said[-1]
    assert "(600 a second offered)" in said[-1]
    assert told(judge(curve(lambda rate: rate)))[0] == "No knee was reached."


def test_the_order_of_the_steps_does_not_matter() -> None:
    points = curve(flat)
    assert judge(points) == judge(list(reversed(points)))


@pytest.mark.parametrize("capacity", [35.0, 300.0, 2_000.0])
def test_steps_rise_until_twice_saturation_was_offered(capacity: float) -> None:
    points = [point(20, min(20, capacity))]
    while (rate := next_rate(points, 1.5, 10_000)) is not None:
        points.append(point(rate, min(rate, capacity)))
        assert len(points) < 40
    assert 2 * capacity <= points[-1].offered < 2.2 * capacity
    assert [each.offered for each in points] == sorted(each.offered for each in points)


def test_steps_end_at_the_bound() -> None:
    points = [point(20, 20)]
    while (rate := next_rate(points, 2, 100)) is not None:
        points.append(point(rate, rate))
    assert [each.offered for each in points] == [20, 40, 80, 100]


def test_the_knee_is_looked_for_between_what_was_borne_and_what_was_not() -> None:
    assert refined(curve(flat, [100, 200, 400, 600]), 3) == [250, 300, 350]
    assert refined(curve(flat, [100, 200]), 3) == []
