"""Shapes: where they begin, where they end, and that they never ask for more than all."""

from __future__ import annotations

import pytest

from loadtest.shapes import SHAPES, users_at


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_stays_between_somebody_and_all_and_ends(shape: str) -> None:
    asked = [users_at(shape, second, 100.0, 50) for second in range(100)]
    assert all(users is not None and 1 <= users <= 50 for users in asked)
    assert 50 in asked
    assert users_at(shape, 100.0, 100.0, 50) is None


def test_a_ramp_rises_to_all_and_a_soak_stays_there() -> None:
    rising = [SHAPES["ramp"](step / 10) for step in range(11)]
    assert rising == sorted(rising)
    assert rising[-1] == 1.0
    assert [SHAPES["soak"](progress) for progress in (0.1, 0.5, 1.0)] == [1.0, 1.0, 1.0]


def test_a_spike_comes_and_goes() -> None:
    spike = SHAPES["spike"]
    assert spike(0.3) == spike(0.7) < spike(0.5) == 1.0
