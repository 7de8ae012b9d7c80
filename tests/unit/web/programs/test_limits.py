"""Buckets that fill again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import TooManyRequests
from services.web.pinboard.methods import ALL, METHODS, RECENT
from services.web.programs.limits import USUAL, Limit, Limits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_so_many_at_once_and_then_one_each_time_it_says() -> None:
    clock = Clock()
    limits = Limits(now=clock)
    limit = Limit(burst=3, every_s=10)
    for _ in range(3):
        limits.spend(limit, "ann")
    with pytest.raises(TooManyRequests) as refused:
        limits.spend(limit, "ann")
    assert refused.value.headers["retry-after"] == "10"
    limits.spend(limit, "bob")
    clock.now = 9.0
    with pytest.raises(TooManyRequests) as refused:
        limits.spend(limit, "ann")
    assert refused.value.headers["retry-after"] == "1"
    clock.now = 10.0
    limits.spend(limit, "ann")
    clock.now = 1_000.0
    for _ in range(3):
        limits.spend(limit, "ann")


@given(waits=st.lists(st.floats(0, 30), max_size=200))
def test_who_waits_as_long_as_the_original_wants_is_never_refused(waits: list[float]) -> None:
    for limit, original_s in ((USUAL, 3.0), (RECENT, 60.0), (ALL, 300.0)):
        clock = Clock()
        limits = Limits(now=clock)
        for wait in waits:
            limits.spend(limit, "ann")
            clock.now += original_s + wait


def test_the_dear_calls_have_their_own_limits() -> None:
    assert METHODS["posts/all"].limit is ALL
    assert METHODS["posts/recent"].limit is RECENT
    assert {
        method.limit for name, method in METHODS.items() if name not in ("posts/all", "posts/recent")
    } == {USUAL}
