"""Runs from their beginning to their end, on a platform in memory and a clock of its own."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh.canary.runs.journal import Entered, Gated, Overwritten, Replaced, Scraped, Written, events
from mesh.canary.runs.run import OVERWRITTEN, fold
from tests.unit.mesh.canary.runs.world import BEGAN_AT, START_S, Driven, World, rollout


def bad(version: str, _weight: float) -> float:
    return 0.05 if version == "v2" else 0.001


def driven(tmp_path: Path, world: World, **spec: object) -> Driven:
    return Driven(tmp_path, world, rollout(**spec))


def test_a_healthy_canary_gets_all_of_the_traffic_step_by_step_and_stable_goes_last(tmp_path: Path) -> None:
    world = World()
    done = driven(tmp_path, world).to_the_end()
    assert done.verdict == "promoted"
    shares = [share for _, share in world.shares]
    assert shares == sorted(shares)
    assert shares[0] == 1
    assert shares[-1] == 100
    assert world.replicas == {"links-v1": 0, "links-v2-rollout": 3}
    assert done.last_at - BEGAN_AT <= 6 * 60
    # 30 s ready, then the first weight; all of the traffic, then 30 s, then stable's pods go.
    assert world.shares[0][0] - BEGAN_AT >= START_S + 30
    assert done.last_at - world.shares[-1][0] >= 30


def test_errors_stop_the_canary_within_90_seconds_of_its_first_request(tmp_path: Path) -> None:
    world = World(error_rate=bad)
    run = driven(tmp_path, world)
    done = run.to_the_end()
    assert done.verdict == "rolled_back"
    assert "worse than stable" in done.reason
    (first, _), (last, share) = world.shares[0], world.shares[-1]
    assert share == 0
    assert last - first <= 90
    assert world.replicas["links-v2-rollout"] == 0
    assert world.replicas["links-v1"] == 3


def test_heavier_tails_stop_it_too(tmp_path: Path) -> None:
    world = World(slow_rate=lambda version: 0.15 if version == "v2" else 0.05)
    done = driven(tmp_path, world).to_the_end()
    assert (done.verdict, world.canary_weight()) == ("rolled_back", 0)


def test_a_canary_that_breaks_what_both_need_steps_aside_without_blame(tmp_path: Path) -> None:
    world = World(error_rate=lambda _version, weight: 0.001 + 0.6 * weight)
    run = driven(tmp_path, world)
    done = run.to_the_end()
    assert done.verdict == "inconclusive"
    assert world.canary_weight() == 0
    assert 0 in [share for _, share in world.shares[:-1]]


def test_a_split_that_is_not_applied_is_no_fault_of_the_canary(tmp_path: Path) -> None:
    done = driven(tmp_path, World(lost_split=True)).to_the_end()
    assert done.verdict == "inconclusive"
    assert "less than half" in done.reason


def test_pods_that_never_become_ready_get_no_request(tmp_path: Path) -> None:
    world = World(never_ready=True)
    done = driven(tmp_path, world, timeouts={"readyS": 60}).to_the_end(300)
    assert done.verdict == "rolled_back"
    assert "0 of 1 canary pods are ready after 60 s" in done.reason
    assert world.shares == []


def test_without_traffic_nothing_is_decided(tmp_path: Path) -> None:
    world = World(rps=0.0)
    run = driven(tmp_path, world)
    for _ in range(200):
        run.second()
    assert run.run.stage == "warming"
    world.rps = 100.0
    assert run.to_the_end().verdict == "promoted"


def test_no_evidence_for_three_minutes_blames_nobody(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    world.silent = True
    before = world.canary_weight()
    for _ in range(180):
        run.second()
    assert world.canary_weight() == before
    assert run.run.decision is not None
    assert run.run.decision.phase == "holding"
    world.silent = False
    assert run.to_the_end().verdict == "promoted"


def test_no_evidence_for_good_ends_it_without_blame(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    world.silent = True
    done = run.to_the_end(1000)
    assert (done.verdict, world.canary_weight()) == ("inconclusive", 0)


def test_foreign_weights_are_set_right_once_then_a_person_is_asked(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    ours = world.canary_weight()
    world.overwrite(50)
    for _ in range(6):
        run.second()
    assert world.canary_weight() == ours
    world.overwrite(60)
    run.until(lambda run: run.paused == OVERWRITTEN, 10)
    for _ in range(60):
        run.second()
    assert world.canary_weight() == 60
    run.say("resume")
    done = run.to_the_end()
    assert done.verdict == "promoted"
    assert sum(isinstance(event, Overwritten) for event in events(run.path)) >= 2


def test_a_rollback_writes_whoever_has_been_at_the_weights(tmp_path: Path) -> None:
    world = World(error_rate=bad)
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 1)
    world.overwrite(30)
    run.until(lambda run: run.overwritten == 1, 10)
    world.overwrite(40)
    assert (run.to_the_end().verdict, world.canary_weight()) == ("rolled_back", 0)


def test_a_pause_holds_the_weight_and_does_not_stop_the_judging(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    run.say("pause")
    held = world.canary_weight()
    for _ in range(300):
        run.second()
    assert world.canary_weight() == held
    assert run.run.paused == "paused by ada"
    world.error_rate = bad
    assert run.to_the_end().verdict == "rolled_back"


def test_a_pause_at_the_last_step_does_not_promote(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent == 50)
    run.say("pause")
    for _ in range(600):
        run.second()
    assert (run.run.stage, world.canary_weight()) == ("stepping", 50)
    run.say("resume")
    assert run.to_the_end().verdict == "promoted"


@pytest.mark.parametrize("when", [1, 20, 60, 130, 200])
def test_an_abort_takes_everything_back_at_any_time(tmp_path: Path, when: int) -> None:
    world = World()
    run = driven(tmp_path, world)
    for _ in range(when):
        run.second()
    run.say("abort")
    done = run.to_the_end(120)
    assert done.verdict == "aborted"
    assert world.canary_weight() == 0
    assert world.replicas == {"links-v1": 3, "links-v2-rollout": 0}


def test_a_person_may_promote_without_proof_and_it_is_said_so(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 1)
    run.say("promote")
    done = run.to_the_end(200)
    assert done.verdict == "promoted"
    assert "not by proof" in done.reason


def test_a_canary_that_fails_alone_with_all_of_the_traffic_is_taken_back(tmp_path: Path) -> None:
    world = World(error_rate=lambda version, weight: 0.2 if version == "v2" and weight == 1 else 0.001)
    done = driven(tmp_path, world, timeouts={"drainS": 60}).to_the_end()
    assert done.verdict == "rolled_back"
    assert "alone" in done.reason
    assert world.canary_weight() == 0
    assert world.replicas["links-v1"] == 3


def test_a_manual_gate_waits_for_a_person_before_each_of_its_moves(tmp_path: Path) -> None:
    gates = [
        {"type": "manual", "name": "go", "at": "start"},
        {"type": "manual", "name": "all", "at": "promotion"},
    ]
    world = World(open_gates=False)
    run = driven(tmp_path, world, gates=gates)
    for _ in range(60):
        run.second()
    assert (run.run.stage, list(world.made)) == ("preparing", ["links-v1"])
    run.say("approve", "go")
    run.until(lambda run: run.percent == 50)
    for _ in range(300):
        run.second()
    assert (run.run.stage, world.canary_weight()) == ("stepping", 50)
    world.error_rate = bad  # judged while it waits
    assert run.to_the_end().verdict == "rolled_back"


def test_requests_with_a_header_come_first_and_prove_nothing(tmp_path: Path) -> None:
    world = World()
    header = {"name": "x-canary", "value": "yes", "forS": 60}
    run = driven(tmp_path, world, header=header)
    run.until(lambda run: run.stage == "trying" and run.traffic is not None)
    first = world.body["spec"]["http"][0]
    assert first["match"] == [{"headers": {"x-canary": {"exact": "yes"}}}]
    assert first["route"][0]["destination"]["subset"] == "v2"
    run.until(lambda run: run.stage == "stepping" and run.percent > 0)
    assert len(world.body["spec"]["http"]) == 1
    assert run.to_the_end().verdict == "promoted"


@pytest.mark.parametrize(
    ("cookies", "matches"),
    [
        ("beta=on", True),
        ("a=b; beta=on; c=d", True),
        ("a=b;beta=on", True),
        ("beta=only", False),
        ("alphabeta=on", False),
        ("beta=off", False),
    ],
)
def test_a_cookie_is_found_among_others(cookies: str, matches: bool) -> None:
    trial = rollout(cookie={"name": "beta", "value": "on"}).spec.trial
    assert trial is not None
    regex = trial.match()["headers"]["cookie"]["regex"]
    assert bool(re.fullmatch(regex, cookies)) is matches


def test_a_dry_run_decides_and_does_nothing(tmp_path: Path) -> None:
    world = World(error_rate=bad)
    run = driven(tmp_path, world, dryRun=True)
    run.until(lambda run: run.stage == "stepping")
    assert (world.shares, list(world.made)) == ([], ["links-v1"])
    world.overwrite(10)  # somebody splits the traffic by hand
    done = run.to_the_end()
    assert (done.verdict, world.canary_weight()) == ("rolled_back", 10)
    assert world.shares == []


def test_one_bad_pod_of_many_is_replaced_once_before_the_version_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(rps=400.0)
    world.replicas["links-v1"] = 12
    run = driven(tmp_path, world, pods={"least": 3}, steps=[25, 50])
    draw = world.draw
    run.until(lambda run: run.percent == 25)

    def unlucky(version: str, *drawn: Any) -> Any:
        sample = draw(version, *drawn)
        if version == "v1" or not sample.pods or world.replaced:
            return sample
        named = {name: type(pod)(pod.requests, 0) for name, pod in sample.pods.items()}
        first = next(iter(named))
        errors = min(1, named[first].requests)
        named[first] = type(named[first])(named[first].requests, errors)
        return type(sample)(sample.requests, errors, sample.slow, named)

    monkeypatch.setattr(world, "draw", unlucky)
    run.until(lambda run: bool(run.replaced) or run.ended, 200)
    assert world.replaced == ["v2-0"]
    assert [event.pod for event in events(run.path) if isinstance(event, Replaced)] == ["v2-0"]


@pytest.mark.parametrize("healthy", [pytest.param(True, marks=pytest.mark.slow), False])
def test_whatever_call_a_process_dies_at_the_run_ends_the_same(tmp_path: Path, healthy: bool) -> None:
    def run_with(killed_at: int | None, folder: str) -> tuple[Driven, World]:
        world = World(killed_at=killed_at) if healthy else World(killed_at=killed_at, error_rate=bad)
        one = driven(tmp_path / folder, world)
        one.to_the_end()
        return one, world

    calm, counted = run_with(None, "calm")
    expected = "promoted" if healthy else "rolled_back"
    assert calm.run.verdict == expected
    for killed_at in np.random.default_rng(3).integers(1, counted.calls, 25):
        one, world = run_with(int(killed_at), f"killed-{killed_at}")
        assert one.run.verdict == expected, f"killed at {killed_at}"
        assert world.canary_weight() == (100 if healthy else 0)
        shares = [share for _, share in world.shares]
        assert not healthy or shares == sorted(shares)
        assert decisions_of(one.path) == replayed(one.path)


def decisions_of(path: Path) -> list[object]:
    return [event.decision for event in events(path) if isinstance(event, Scraped)]


def replayed(path: Path) -> list[object]:
    """Every decision, made anew from the events before it."""
    found: list[object] = []
    told = list(events(path))
    run = fold(told[:1])
    for event in told[1:]:
        run.take(event)
        if isinstance(event, Scraped):
            found.append(run.decision)
    return found


def test_a_platform_that_is_away_is_waited_for(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    world.away = True
    for _ in range(20):
        run.second()
    world.away = False
    assert run.to_the_end().verdict == "promoted"


def test_proof_counts_only_what_was_measured_with_the_weight_in_force(tmp_path: Path) -> None:
    run = driven(tmp_path, World())
    run.to_the_end()
    since, percent = 0.0, 0
    whole: Counter[int] = Counter()
    for event in events(run.path):
        if isinstance(event, Written):
            since, percent = event.at, event.percent
        if isinstance(event, Scraped) and event.observation is not None and event.observation.whole_step:
            assert event.observation.weight == percent / 100
            assert event.observation.at - 5 >= since
            whole[percent] += 1
    assert all(count >= 3 for count in whole.values())


def test_what_gates_and_stages_say_is_told_once_a_change(tmp_path: Path) -> None:
    gates = [{"type": "manual", "name": "go", "at": "start"}]
    run = driven(tmp_path, World(open_gates=False), gates=gates)
    for _ in range(30):
        run.second()
    run.say("approve", "go")
    run.to_the_end()
    told = [event for event in events(run.path) if isinstance(event, Gated)]
    assert [event.open for event in told] == [False, True]
    stages = [event.stage for event in events(run.path) if isinstance(event, Entered)]
    assert stages == ["warming", "stepping", "promoting"]
