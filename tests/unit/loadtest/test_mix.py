"""The mix: shares as its users would make them, and mistakes named by file and place."""

# ruff: noqa: S311 - chance for tests
from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from loadtest.journeys import JOURNEYS
from loadtest.mix import BACKGROUND, MAX_THINK_TIMES, InvalidMix, Mix, Part, load_mix


def test_every_journey_is_in_one_of_the_own_mixes() -> None:
    mixes = [load_mix(), load_mix(BACKGROUND)]
    assert {name for mix in mixes for name in mix.journeys} == set(JOURNEYS)
    for mix in mixes:
        assert sum(mix.request_shares().values()) == pytest.approx(1)


def test_who_thinks_half_as_long_sends_twice_as_much() -> None:
    shares = Mix({"reader": Part(1, 4.0), "saver": Part(1, 2.0)}).request_shares()
    assert shares["saver"] == pytest.approx(2 * shares["reader"])


def test_users_are_dealt_out_by_weight_at_any_time() -> None:
    mix = Mix(
        {"reader": Part(7, 1.0), "saver": Part(2, 1.0), "searcher": Part(1, 1.0), "importer": Part(0, 1.0)}
    )
    dealt = list(islice(mix.users(), 40))
    for end in range(10, 41, 10):
        assert Counter(dealt[:end]) == {
            "reader": 7 * end // 10,
            "saver": 2 * end // 10,
            "searcher": end // 10,
        }


def test_think_times_have_their_mean_and_a_bound() -> None:
    mix, dice = Mix({"reader": Part(1, 3.0)}), random.Random(1)
    times = [mix.think_s("reader", dice) for _ in range(20_000)]
    assert max(times) <= MAX_THINK_TIMES * 3.0
    assert sum(times) / len(times) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("journeys: {reader: {weight: many, think_s: 1}}", "$.journeys[...].weight"),
        ("journeys: {reader: {weight: 1, think_s: 0}}", "think_s"),
        ("journeys: {reader: {weight: 1}}", "missing required field `think_s`"),
        ("journeys: {reader: {weight: 1, think_s: 1, colour: red}}", "unknown field `colour`"),
        ("journeys: {swimmer: {weight: 1, think_s: 1}}", "no journey is 'swimmer'; there are reader, saver"),
        ("journeys: {reader: {weight: 0, think_s: 1}}", "nobody would do anything"),
        ("journeys: {}", "nobody would do anything"),
        ("journeys: [", "not YAML"),
        ("", "Expected `object`"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InvalidMix) as raised:
        load_mix(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert said in str(raised.value)


def test_a_mix_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidMix, match="No such file"):
        load_mix(tmp_path / "none.yaml")
