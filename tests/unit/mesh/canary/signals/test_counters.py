"""How counters rise: resets, series that come, go and come back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mesh.canary.signals.counters import Reading, Series, risen, rises
from tests.unit.mesh.canary.signals.proxies import CANARY, STABLE, durations, reading, requests

OK, FAILED = requests(), requests(code="503")


def counted(*readings: Reading) -> list[dict[Series, float]]:
    """What each of them adds, one after the other."""
    memory: dict[str, Reading] = {}
    found = []
    for one in readings:
        memory, new = rises(memory, [one])
        found += [dict(rise.by) for rise in new]
    return found


def test_the_first_reading_of_an_older_pod_is_only_remembered() -> None:
    assert counted(reading(STABLE, 1, {OK: 70})) == []
    assert counted(reading(STABLE, 1, {OK: 70}), reading(STABLE, 2, {OK: 75})) == [{OK: 5}]


def test_a_series_that_is_born_at_three_on_a_pod_that_was_read_counts_three() -> None:
    assert counted(reading(STABLE, 1, {}), reading(STABLE, 2, {OK: 3})) == [{OK: 3}]


def test_a_pod_that_is_younger_than_the_run_has_counted_from_zero() -> None:
    young = replace(CANARY, born=7.0)
    [rise] = rises({}, [reading(young, 12, {OK: 4, FAILED: 3})])[1]
    assert (rise.by, rise.since, rise.until) == ({OK: 4, FAILED: 3}, 7.0, 12)


def test_a_value_that_fell_has_begun_again() -> None:
    assert counted(reading(STABLE, 1, {OK: 70}), reading(STABLE, 2, {OK: 6})) == [{OK: 6}]


def test_a_series_that_vanishes_and_returns_has_begun_again_even_above_what_it_was() -> None:
    readings = [reading(STABLE, 1, {OK: 5}), reading(STABLE, 2, {}), reading(STABLE, 3, {OK: 9})]
    assert counted(*readings) == [{}, {OK: 9}]


def test_all_pods_reset_at_once() -> None:
    memory, _ = rises({}, [reading(STABLE, 1, {OK: 500, FAILED: 2}), reading(CANARY, 1, {OK: 50})])
    found = rises(memory, [reading(STABLE, 2, {OK: 9, FAILED: 1}), reading(CANARY, 2, {OK: 3})])[1]
    assert [rise.by for rise in found] == [{OK: 9, FAILED: 1}, {OK: 3}]


def test_a_pod_that_replaces_another_is_another_target() -> None:
    memory, _ = rises({}, [reading(STABLE, 1, {OK: 500})])
    successor = replace(STABLE, key="shop/links-v1-b", pod="links-v1-b", born=1.0)
    memory, [rise] = rises(memory, [reading(successor, 2, {OK: 11})])
    assert (rise.by, memory[STABLE.key].values) == ({OK: 11}, {OK: 500})


def test_the_same_reading_twice_adds_nothing() -> None:
    once = reading(STABLE, 2, {OK: 9})
    assert counted(reading(STABLE, 1, {OK: 4}), once, once) == [{OK: 5}]


def test_a_histogram_begins_again_as_a_whole() -> None:
    before, now = durations({"100": 2, "250": 9, "+Inf": 10}), durations({"100": 3, "250": 5, "+Inf": 5})
    assert risen(before, now) == now


values = st.integers(min_value=0, max_value=10**9)


@given(steps=st.lists(st.integers(0, 1000), min_size=1), cuts=st.sets(st.integers(0, 60)))
def test_however_a_rising_counter_is_read_its_rises_add_up_to_its_end(
    steps: list[int], cuts: set[int]
) -> None:
    path = [sum(steps[:end]) for end in range(len(steps) + 1)]
    chosen = sorted({0, len(steps)} | {cut for cut in cuts if cut <= len(steps)})
    found = counted(reading(STABLE, -1, {}), *(reading(STABLE, at, {OK: path[at]}) for at in chosen))
    assert sum(by[OK] for by in found) == path[-1]


@given(st.lists(st.dictionaries(st.sampled_from([OK, FAILED]), values), min_size=1))
def test_no_rise_is_ever_negative_or_above_what_is_shown(shown: list[dict[Series, int]]) -> None:
    for before, now in pairwise(shown):
        by = risen(before, now)
        assert by.keys() == now.keys()
        assert all(0 <= by[series] <= now[series] for series in now)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1))
def test_what_restarts_count_is_the_sum_of_their_ends(lives: list[tuple[int, bool]]) -> None:
    """Each life is seen at its end; between two of them the series is gone, or falls."""
    found, at, last = [reading(STABLE, -1, {})], 0, 0
    for end, seen_empty in lives:
        if seen_empty or end >= last:
            found.append(reading(STABLE, at, {}))
        found.append(reading(STABLE, at + 1, {OK: end}))
        at, last = at + 2, end
    assert sum(by.get(OK, 0) for by in counted(*found)) == sum(end for end, _ in lives)
