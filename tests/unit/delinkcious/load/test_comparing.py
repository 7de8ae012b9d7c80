"""Two runs: what is noise, what is not, and in what they cannot be compared."""

# ruff: noqa: S311 - chance for tests
from __future__ import annotations

import math
import random

import msgspec
import pytest

from delinkcious.load.comparing import Difference, compare, interval, t_quantile
from delinkcious.load.report import Run
from loadtest.mix import Mix, Part
from tests.unit.delinkcious.load.example import blocks, figures, run


def noisy(mean_ms: float, seed: int) -> Run:
    dice = random.Random(seed)
    return run(figures(blocks(*(mean_ms * math.exp(dice.gauss(0, 0.1)) for _ in range(20)))))


def p99(before: Run, after: Run) -> Difference:
    return next(each for each in compare(before, after).differences if each.figure == "p99_ms")


def test_a_third_more_is_beyond_noise_and_worse() -> None:
    found = p99(noisy(100, 1), noisy(133, 2))
    assert found.beyond_noise
    assert found.worse
    assert found.ratio == pytest.approx(1.33, rel=0.1)
    assert found.low is not None
    assert found.low > 1


def test_a_third_less_is_beyond_noise_and_better() -> None:
    comparison = compare(noisy(100, 1), noisy(67, 2))
    assert p99(noisy(100, 1), noisy(67, 2)).beyond_noise
    assert comparison.worse == []


def test_equals_are_seldom_called_different() -> None:
    called = sum(p99(noisy(100, seed), noisy(100, seed + 1_000)).beyond_noise for seed in range(200))
    assert called <= 8  # one in a hundred is what is promised


def test_a_run_equals_itself() -> None:
    assert not any(each.beyond_noise for each in compare(noisy(100, 1), noisy(100, 1)).differences)


def test_a_few_blocks_tell_nothing() -> None:
    short = run(figures(blocks(100, 101, 99)))
    found = p99(short, run(figures(blocks(300, 301, 299))))
    assert (found.low, found.high, found.beyond_noise) == (None, None, False)
    assert interval([0.0] * 3, [1.0] * 20) is None


def test_more_failures_are_worse() -> None:
    before = run(figures(blocks(*[100.0] * 6), failed=1))
    after = run(figures(blocks(*[100.0] * 6), failed=50))
    [found] = [each for each in compare(before, after).worse if each.figure == "failed share"]
    assert found.ratio == 50
    same = compare(before, run(figures(blocks(*[100.0] * 6), failed=2)))
    assert same.worse == []


def test_what_else_differs_is_said() -> None:
    other = run(
        loop="open",
        asked=30,
        traced_share=0.0,
        interrupted=True,
        mix=Mix({"reader": Part(1, 1.0)}),
        machine=msgspec.structs.replace(run().machine, cores=64),
    )
    said = " ".join(compare(run(), other).doubts)
    for word in ("interrupted", "machine", "mix", "loop", "load was asked", "traced"):
        assert word in said
    assert compare(run(), run()).doubts == []


@pytest.mark.parametrize(("freedom", "known"), [(5, 4.032), (10, 3.169), (30, 2.750), (100, 2.626)])
def test_students_t_is_as_in_the_tables(freedom: float, known: float) -> None:
    assert t_quantile(0.995, freedom) == pytest.approx(known, rel=0.01)
