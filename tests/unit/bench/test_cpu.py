"""CPU of processes between two readings."""

from __future__ import annotations

import pytest

from tests.bench.cpu import used


def test_what_a_process_has_used_is_the_difference() -> None:
    assert used({1: 2_000_000_000}, {1: 2_500_000_000}) == pytest.approx(0.5)


def test_a_process_that_began_meanwhile_counts_whole() -> None:
    assert used({1: 10}, {1: 10, 2: 3_000_000_000}) == pytest.approx(3.0)


def test_a_process_that_ended_meanwhile_takes_nothing_off() -> None:
    assert used({1: 10, 2: 5_000_000_000}, {1: 10}) == 0.0
