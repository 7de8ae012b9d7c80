"""A StatefulSet starts in order, ends from its highest pod, and changes one pod at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.local.runtime.ordered import Rules, plan
from mesh.local.runtime.rollout import Plan, Seen


def _pod(ordinal: int, *, hash: str = "new", ready: bool = True, stopping: bool = False) -> Seen:
    return Seen(f"db-{ordinal}", hash, ordinal, ready, stopping)


def test_the_next_pod_starts_when_the_one_before_it_is_ready() -> None:
    assert plan(Rules(3), "new", []) == Plan(start=(0,))
    assert plan(Rules(3), "new", [_pod(0, ready=False)]) == Plan()
    assert plan(Rules(3), "new", [_pod(0)]) == Plan(start=(1,))


def test_a_pod_that_is_gone_comes_back_before_higher_ones() -> None:
    assert plan(Rules(3), "new", [_pod(0), _pod(2)]) == Plan(start=(1,))


def test_the_highest_ends_first_and_one_at_a_time() -> None:
    pods = [_pod(0), _pod(1), _pod(2)]
    assert plan(Rules(1), "new", pods) == Plan(stop=("db-2",))
    assert plan(Rules(1), "new", [*pods[:2], _pod(2, stopping=True)]) == Plan()
    assert plan(Rules(1), "new", pods[:2]) == Plan(stop=("db-1",))


def test_a_change_begins_at_the_highest_pod_and_waits_for_each() -> None:
    old = [_pod(0, hash="old"), _pod(1, hash="old")]
    assert plan(Rules(2), "new", old) == Plan(stop=("db-1",))
    assert plan(Rules(2), "new", [old[0], _pod(1, hash="old", stopping=True)]) == Plan()
    assert plan(Rules(2), "new", [old[0]]) == Plan(start=(1,))
    assert plan(Rules(2), "new", [old[0], _pod(1, ready=False)]) == Plan()
    assert plan(Rules(2), "new", [old[0], _pod(1)]) == Plan(stop=("db-0",))


def test_pods_below_the_partition_keep_what_they_have() -> None:
    old = [_pod(0, hash="old"), _pod(1)]
    assert plan(Rules(2, partition=1), "new", old) == Plan()


def test_on_delete_only_an_unwanted_pod_is_replaced() -> None:
    old = [_pod(0, hash="old"), _pod(1, hash="old")]
    assert plan(Rules(2, on_delete=True), "new", old) == Plan()
    unwanted = [replace(old[0], unwanted=True), old[1]]
    assert plan(Rules(2, on_delete=True), "new", unwanted) == Plan(stop=("db-0",))


def test_a_broken_old_pod_does_not_keep_the_new_template_from_coming() -> None:
    assert plan(Rules(2), "new", [_pod(0, hash="old", ready=False)]) == Plan(stop=("db-0",))


def test_in_parallel_all_start_at_once_and_changes_still_come_one_by_one() -> None:
    rules = Rules(3, parallel=True)
    assert plan(rules, "new", []) == Plan(start=(0, 1, 2))
    assert plan(rules, "new", [_pod(ordinal, hash="old") for ordinal in range(3)]) == Plan(stop=("db-2",))
    assert plan(replace(rules, replicas=1), "new", [_pod(0), _pod(1), _pod(2)]).stop == ("db-2", "db-1")


def test_ordinals_may_begin_elsewhere() -> None:
    assert plan(Rules(2, first=5), "new", []) == Plan(start=(5,))
    assert plan(Rules(1, first=5), "new", [_pod(4), _pod(5)]) == Plan(stop=("db-4",))


@pytest.mark.parametrize("parallel", [False, True])
@given(replicas=st.integers(0, 4), old=st.lists(st.sampled_from(["old", "new"]), max_size=5))
def test_followed_to_its_end_the_plan_gives_what_is_wanted(
    parallel: bool, replicas: int, old: list[str]
) -> None:
    rules = Rules(replicas, parallel=parallel)
    pods = {ordinal: _pod(ordinal, hash=hash) for ordinal, hash in enumerate(old)}
    most_missing = max(0, replicas - len(old))
    for _ in range(100):
        moves = plan(rules, "new", list(pods.values()))
        if moves == Plan():
            break
        for key in moves.stop:
            pods.pop(int(key.rpartition("-")[2]))
        if len(old) >= replicas:
            most_missing = max(most_missing, replicas - len(pods))
        for ordinal in moves.start:
            pods[ordinal] = _pod(ordinal)
    assert sorted(pods) == list(range(replicas))
    assert all(pod.hash == "new" for pod in pods.values())
    assert most_missing <= max(1, replicas - len(old))
