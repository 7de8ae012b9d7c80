"""Counting: quantiles right to a percent, rows that add up, and nothing lost between lines."""

# ruff: noqa: S311 - chance for tests
from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.tally import SLOWEST, Line, Recorder, Row, Sample, Tally

LATENCIES = st.lists(st.floats(1e-5, 30.0), min_size=1, max_size=200)


def sample(took_s: float, outcome: str = "200", name: str = "list links", at: float = 100.0) -> Sample:
    return Sample("reader", name, at, took_s, outcome, outcome.startswith("2"), "t", 0.0)


def row(*samples: Sample) -> Row:
    counted = Row({}, {})
    for each in samples:
        counted.count_in(each)
    return counted


@settings(deadline=None)
@given(LATENCIES, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_right_to_a_percent(latencies: list[float], share: float) -> None:
    exact = sorted(latencies)[max(1, math.ceil(share * len(latencies))) - 1]
    found = row(*map(sample, latencies)).quantile_s(share)
    assert found == pytest.approx(exact, rel=0.0101)


@settings(deadline=None)
@given(LATENCIES, LATENCIES)
def test_rows_added_are_the_row_of_all(some: list[float], others: list[float]) -> None:
    added = row(*map(sample, some))
    added.add(row(*map(sample, others)))
    both = row(*map(sample, some + others))
    assert (added.outcomes, added.latencies, added.good) == (both.outcomes, both.latencies, both.good)


def test_a_refusal_is_an_error_and_no_latency_and_a_timeout_is_both() -> None:
    counted = row(sample(0.1), sample(0.001, "503"), sample(10.0, "timeout"))
    assert counted.count == 3
    assert counted.good == 1
    assert counted.errors == {"503": 1, "timeout": 1}
    assert counted.quantile_s(1.0) == pytest.approx(10.0, rel=0.01)
    assert sum(counted.latencies.values()) == 2


def test_only_what_was_answered_well_and_in_time_is_goodput() -> None:
    counted = row(sample(0.1), sample(0.9), sample(1.5), sample(0.01, "429"), sample(10.0, "timeout"))
    assert counted.good_within(1.0) == 2
    assert row(sample(0.1, "timeout")).good_within(1.0) == 0


def test_nothing_has_no_quantile() -> None:
    assert Row({}, {}).quantile_s(0.5) is None


def test_lines_hold_everything_once_and_survive_the_wire() -> None:
    recorder, dice = Recorder(), random.Random(1)
    tally = Tally(began_at=100.0, block_s=2.0)
    sent = [sample(dice.expovariate(10), name=f"name {n % 3}", at=100.0 + n / 10) for n in range(100)]
    for number, each in enumerate(sent):
        recorder.add(each)
        if number % 7 == 0:
            line = recorder.take(each.at, users=3)
            tally.add(msgspec.json.decode(msgspec.json.encode(line), type=Line))
    tally.add(recorder.take(110.0, users=3))
    assert tally.total().count == 100
    assert tally.names() == ["name 0", "name 1", "name 2"]
    assert sum(tally.total(name=name).count for name in tally.names()) == 100
    assert sum(tally.total(block=block).count for block in tally.blocks) == 100
    assert tally.slowest == sorted(sent, key=lambda each: each.took_s, reverse=True)[:SLOWEST]


def test_who_was_never_answered_is_none_of_the_slowest() -> None:
    recorder = Recorder()
    recorder.add(sample(10.0, "timeout"))
    recorder.add(sample(0.2, "503"))
    assert [each.outcome for each in recorder.take(1.0, users=0).slowest] == ["503"]
