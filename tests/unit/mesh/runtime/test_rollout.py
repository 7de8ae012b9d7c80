"""A Deployment is replaced pod by pod, never with fewer ready pods than wanted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mesh.local.runtime.rollout import SURGE, Plan, Room, Seen, plan


def _pod(ordinal: int, *, hash: str = "new", ready: bool = True, stopping: bool = False) -> Seen:
    return Seen(f"{hash}-{ordinal}", hash, ordinal, ready, stopping)


def test_a_first_start_starts_all_at_once() -> None:
    assert plan(3, "new", []) == Plan(start=(0, 1, 2))


def test_a_new_template_starts_one_pod_and_stops_none_before_it_is_ready() -> None:
    old = [_pod(0, hash="old"), _pod(1, hash="old")]
    assert plan(2, "new", old) == Plan(start=(0,))
    assert plan(2, "new", [*old, _pod(0, ready=False)]) == Plan()
    assert plan(2, "new", [*old, _pod(0)]) == Plan(stop=("old-0",))


def test_old_pods_that_are_not_ready_go_at_once() -> None:
    assert plan(1, "new", [_pod(0, hash="old", ready=False)]).stop == ("old-0",)


def test_scaling_down_stops_the_unready_first_then_the_youngest() -> None:
    pods = [_pod(0), _pod(1, ready=False), _pod(2)]
    assert plan(1, "new", pods).stop == ("new-1", "new-2")


def test_an_ordinal_is_not_given_again_while_its_pod_is_stopping() -> None:
    assert plan(1, "new", [_pod(0, stopping=True)]).start == (1,)


def test_recreated_all_old_ones_have_ended_before_a_new_one_begins() -> None:
    room = Room(0, 2, recreate=True)
    assert plan(2, "new", [_pod(0, hash="old"), _pod(1, hash="old")], room) == Plan(stop=("old-0", "old-1"))
    assert plan(2, "new", [_pod(0, hash="old", stopping=True)], room) == Plan()
    assert plan(2, "new", [], room) == Plan(start=(0, 1))


def test_pods_that_may_be_missing_go_before_the_new_ones_are_ready() -> None:
    old = [_pod(0, hash="old"), _pod(1, hash="old")]
    assert plan(2, "new", old, Room(0, 1)) == Plan(stop=("old-0",))
    assert plan(2, "new", old[1:], Room(0, 1)) == Plan(start=(0,))


def test_an_unwanted_pod_goes_once_another_is_ready_in_its_place() -> None:
    unwanted = replace(_pod(0), unwanted=True)
    assert plan(1, "new", [unwanted]) == Plan(start=(1,))
    assert plan(1, "new", [unwanted, _pod(1, ready=False)]) == Plan()
    assert plan(1, "new", [unwanted, _pod(1)]) == Plan(stop=("new-0",))
    assert plan(1, "new", [replace(unwanted, ready=False)]) == Plan(start=(1,), stop=("new-0",))


@given(
    replicas=st.integers(0, 6),
    old=st.lists(st.booleans(), max_size=6),
    new=st.lists(st.booleans(), max_size=6),
)
def test_no_move_takes_a_ready_pod_that_is_needed(replicas: int, old: list[bool], new: list[bool]) -> None:
    pods = [_pod(index, hash="old", ready=ready) for index, ready in enumerate(old)]
    pods += [_pod(index, ready=ready) for index, ready in enumerate(new)]
    moves = plan(replicas, "new", pods)
    ready = {pod.key for pod in pods if pod.ready}
    assert len(ready - set(moves.stop)) >= min(replicas, len(ready))
    assert len(pods) + len(moves.start) <= max(replicas + SURGE, len(pods))
    assert len(set(moves.stop)) == len(moves.stop)
