"""What may come before a share of the requests: copies of them, and all at once when those have proven it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mesh.canary.model import PodSample
from mesh.canary.runs.journal import Entered, Scaled, Scraped, Written, events
from mesh.canary.runs.notices import sentence
from mesh.canary.runs.rollout import InvalidRollout
from mesh.canary.runs.run import OVERWRITTEN, Run
from mesh.canary.runs.starting import NotStarted
from mesh.canary.views.explaining import explain
from mesh.canary.views.story import story
from tests.unit.mesh.canary.runs.test_conductor import bad, decisions_of, driven, replayed
from tests.unit.mesh.canary.runs.world import Driven, World, rollout, routes

BLUE_GREEN: dict[str, Any] = {"mirror": {}, "strategy": "blueGreen"}


def stages(run: Driven) -> list[str]:
    return [event.stage for event in events(run.path) if isinstance(event, Entered)]


def explained(run: Driven) -> str:
    return " ".join(explain(events(run.path)))


def test_copies_come_first_and_then_a_share(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, mirror={})
    run.until(lambda run: run.traffic is not None and run.traffic.mirror)
    mirrored, split = world.body["spec"]["http"]
    assert mirrored["match"] == [{"method": {"exact": "GET"}}]
    assert mirrored["route"] == split["route"]
    [copies] = mirrored["mirrors"]
    assert (copies["destination"]["subset"], copies["percentage"]) == ("v2", {"value": 100.0})
    assert world.canary_weight() == 0
    run.until(lambda run: run.percent > 0)
    assert len(world.body["spec"]["http"]) == 1
    assert run.to_the_end().verdict == "promoted"
    assert re.search(r"warming took .* and warming again took ", explained(run))
    expected = ["warming", "mirroring", "warming", "stepping", "promoting"]
    assert stages(run) == expected
    assert decisions_of(run.path) == replayed(run.path)
    shares = [share for _, share in world.shares]
    assert shares == sorted(shares)


def test_a_bad_canary_is_stopped_by_copies_and_harms_nobody(tmp_path: Path) -> None:
    world = World(error_rate=bad)
    run = driven(tmp_path, world, mirror={})
    done = run.to_the_end()
    assert (done.verdict, stages(run)[-2:]) == ("rolled_back", ["mirroring", "retreating"])
    assert {share for _, share in world.shares} == {0}
    assert len(world.body["spec"]["http"]) == 1
    assert done.totals[1].requests == 0
    told = story(events(run.path))
    assert told.harmed == 0
    assert "before it had more than copies of requests" in explained(run)
    assert "v2 had copies of requests only: nobody got an answer of it." in explained(run)
    assert told.ladder.steps == ()


def test_slow_copies_stop_it_too(tmp_path: Path) -> None:
    world = World(slow_rate=lambda version: 0.15 if version == "v2" else 0.05)
    done = driven(tmp_path, world, mirror={}).to_the_end()
    assert (done.verdict, done.promoting, world.canary_weight()) == ("rolled_back", False, 0)


@pytest.mark.parametrize(
    ("spec", "decisions"),
    [({}, 1), ({"mirror": {}}, 2), (BLUE_GREEN, 1), ({"mirror": {}, "dryRun": True}, 1)],
)
def test_copies_and_steps_together_blame_no_more_often_than_steps(spec: Any, decisions: int) -> None:
    asked = rollout(**spec).spec
    every = [asked.settings(100.0), asked.mirror_settings(100.0, 1.0)][-decisions:]
    assert sum(settings.alpha_rollback for settings in every) == asked.analysis.alpha_rollback


def test_copies_that_do_not_arrive_are_no_proof_and_no_blame(tmp_path: Path) -> None:
    world = World()
    world.copies.lost = True
    done = driven(tmp_path, world, mirror={}).to_the_end()
    assert done.verdict == "inconclusive"
    assert "less than half of its configured share" in done.reason


def test_a_service_without_requests_to_copy_is_waited_for_whatever_is_expected_of_it(tmp_path: Path) -> None:
    world = World()
    world.copies.reads = 0.0
    run = driven(tmp_path, world, mirror={}, analysis={"expectedRps": 100})
    for _ in range(60):
        run.second()
    assert run.run.stage == "warming"
    run.restart()
    world.copies.reads = 0.6
    assert run.to_the_end().verdict == "promoted"


def test_some_copies_are_enough(tmp_path: Path) -> None:
    run = driven(tmp_path, World(), mirror={"percent": 20})
    assert run.to_the_end().verdict == "promoted"


def test_too_few_copies_to_judge_latency_by_begin_no_run(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"0.3 times .* less than analysis.latencyGate, 0.5"):
        driven(tmp_path / "one", World(), mirror={"percent": 10})
    run = driven(tmp_path / "other", World(), mirror={"percent": 10}, analysis={"latencyGate": 0.2})
    assert run.to_the_end().verdict == "promoted"


def test_pods_are_there_for_all_copies_before_the_first(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, mirror={})
    run.until(lambda run: run.traffic is not None and run.traffic.mirror)
    assert world.replicas["links-v2-rollout"] == 3


def test_blue_becomes_green_at_once_when_copies_have_proven_it(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, **BLUE_GREEN)
    assert run.to_the_end().verdict == "promoted"
    assert stages(run) == ["warming", "mirroring", "promoting"]
    assert [share for _, share in world.shares] == [0, 100]
    assert story(events(run.path)).ladder.steps == ()
    assert world.replicas == {"links-v1": 0, "links-v2-rollout": 3}
    assert len(world.body["spec"]["http"]) == 1


def test_people_hear_when_green_gets_copies_and_when_it_gets_everything(tmp_path: Path) -> None:
    run = driven(tmp_path, World(), **BLUE_GREEN)
    run.to_the_end()
    heard = " ".join(filter(None, (sentence(run.run.began, event) for event in events(run.path))))
    assert "the canary gets copies of requests" in heard
    assert "the canary gets all requests at once: an excess error rate above" in heard


def test_a_trial_by_cookie_is_called_one(tmp_path: Path) -> None:
    run = driven(tmp_path, World(), cookie={"name": "tester", "value": "yes"})
    run.until(lambda run: run.stage == "trying" and run.traffic is not None)
    assert "requests with the cookie tester" in explained(run)
    run.until(lambda run: run.percent > 0)
    assert "Only requests with the cookie for" in explained(run)


def test_what_copies_do_not_show_is_taken_back_at_100_percent(tmp_path: Path) -> None:
    world = World(error_rate=lambda version, weight: 0.3 if version == "v2" and weight == 1 else 0.001)
    done = driven(tmp_path, world, **BLUE_GREEN).to_the_end()
    assert (done.verdict, world.canary_weight()) == ("rolled_back", 0)
    assert world.replicas["links-v1"] == 3


def test_errors_that_stable_has_too_are_no_harm_of_green(tmp_path: Path) -> None:
    world = World(error_rate=lambda _version, _weight: 0.008)
    run = driven(tmp_path, world, timeouts={"drainS": 300}, **BLUE_GREEN)
    assert run.to_the_end().verdict == "promoted"
    told = story(events(run.path))
    assert told.totals[1].errors > 100
    assert told.harmed < 40


@pytest.mark.parametrize("trial", ["header", "cookie"])
def test_nobody_tries_green_first(trial: str) -> None:
    with pytest.raises(InvalidRollout, match="nobody tries it by header or cookie"):
        rollout(**BLUE_GREEN, **{trial: {"name": "tester", "value": "yes"}})


def test_blue_stays_while_a_gate_is_closed(tmp_path: Path) -> None:
    world = World(open_gates=False)
    gates = [{"type": "manual", "name": "go", "at": "promotion"}]
    run = driven(tmp_path, world, gates=gates, **BLUE_GREEN)
    run.until(lambda run: run.traffic is not None and run.traffic.mirror)
    for _ in range(600):
        run.second()
    assert (run.run.stage, world.canary_weight()) == ("mirroring", 0)
    world.open_gates = True
    assert run.to_the_end().verdict == "promoted"


def copied(world: World) -> bool:
    return any(route.get("mirrors") for route in world.body["spec"]["http"])


def test_copies_that_break_what_both_need_end_with_stables_first_trouble(tmp_path: Path) -> None:
    world = World()
    world.error_rate = lambda _version, _weight: 0.3 if copied(world) else 0.001
    run = driven(tmp_path, world, mirror={})
    run.until(lambda run: run.decision is not None and run.decision.phase == "aside")
    run.second()
    assert (run.run.stage, copied(world)) == ("mirroring", False)
    done = run.to_the_end(600)
    assert (done.verdict, "coincides" in done.reason) == ("inconclusive", True)
    assert sum(event.mirror for event in events(run.path) if isinstance(event, Written)) == 2
    assert decisions_of(run.path) == replayed(run.path)


def test_stables_own_trouble_interrupts_copies_and_blames_nobody(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, mirror={})
    run.until(lambda _: copied(world))
    world.error_rate = lambda _version, _weight: 0.2
    run.until(lambda run: run.decision is not None and run.decision.phase == "aside", 120)
    world.error_rate = lambda _version, _weight: 0.001
    assert run.to_the_end().verdict == "promoted"


def test_a_person_who_sends_what_is_copied_to_the_canary_is_noticed(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, mirror={})
    run.until(lambda _: copied(world))
    for entry in world.body["spec"]["http"][0]["route"]:
        entry["weight"] = 50
    world.version += 1
    run.until(lambda run: run.overwritten == 1, 10)
    assert [entry["weight"] for entry in world.body["spec"]["http"][0]["route"]] == [100, 0]
    for entry in world.body["spec"]["http"][0]["route"]:
        entry["weight"] = 50
    world.version += 1
    run.until(lambda run: run.paused == OVERWRITTEN, 10)
    run.say("abort")
    assert run.to_the_end(120).verdict == "aborted"
    assert world.body == routes()


def test_another_image_behind_the_copies_is_not_what_they_prove(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, **BLUE_GREEN)
    run.until(lambda _: copied(world))
    world.made["links-v2-rollout"]["spec"]["template"]["spec"]["containers"][0]["image"] = "links:3"
    done = run.to_the_end(300)
    assert (done.verdict, "new run" in done.reason) == ("inconclusive", True)
    assert not world.canary_weight()


def test_one_bad_pod_that_gets_copies_is_replaced_before_the_version_is_blamed(tmp_path: Path) -> None:
    world = World(rps=400.0)
    world.replicas["links-v1"] = 12
    run = driven(tmp_path, world, mirror={"percent": 50})
    run.until(lambda run: run.traffic is not None and run.traffic.mirror)
    run.run.pods = {f"v2-{number}": PodSample(500, 30 * (number == 2)) for number in range(6)}
    run.second()
    assert world.replaced == ["v2-2"]


def test_proven_copies_end_before_pods_are_looked_at(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, mirror={})
    run.until(lambda run: run.mirrored)
    world.ready_at["links-v2-rollout"] = world.now + 60
    run.second()
    assert (run.run.stage, copied(world)) == ("warming", False)


def test_an_abort_ends_the_copies(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, mirror={})
    run.until(lambda run: run.traffic is not None and run.traffic.mirror)
    run.say("abort")
    assert run.to_the_end().verdict == "aborted"
    assert len(world.body["spec"]["http"]) == 1


@pytest.mark.parametrize("spec", [{}, {"mirror": {}}, BLUE_GREEN], ids=["plain", "copies", "blue-green"])
@pytest.mark.parametrize("stage", ["preparing", "warming", "mirroring", "warming again", "stepping"])
def test_a_persons_promotion_counts_at_every_stage(tmp_path: Path, spec: dict[str, Any], stage: str) -> None:
    def there(run: Run) -> bool:
        again = run.mirrored and run.stage == "warming"
        return again if stage == "warming again" else run.stage == stage

    world = World()
    run = driven(tmp_path, world, **spec)
    run.until(lambda run: there(run) or run.promoting)
    if run.run.promoting:  # this way has no such stage
        return
    run.say("promote")
    assert run.to_the_end().verdict == "promoted"
    assert run.run.reason == "promoted by ada, not by proof"
    assert not copied(world)


@pytest.mark.parametrize("spec", [{"mirror": {}}, BLUE_GREEN], ids=["canary", "blue-green"])
def test_whatever_call_a_process_dies_at_copies_end_the_same(tmp_path: Path, spec: dict[str, Any]) -> None:
    counted = World()
    driven(tmp_path / "calm", counted, **spec).to_the_end()
    for killed_at in range(10, counted.calls, counted.calls // 15):
        world = World(killed_at=killed_at)
        run = driven(tmp_path / f"killed-{killed_at}", world, **spec)
        assert run.to_the_end().verdict == "promoted", f"killed at {killed_at}"
        assert decisions_of(run.path) == replayed(run.path)
        assert [event for event in events(run.path) if isinstance(event, Scraped)]


@pytest.mark.parametrize(("spec", "waits"), [({}, True), ({"mirror": {}}, False)], ids=["served", "copies"])
def test_only_who_served_people_is_given_time_for_what_is_under_way(
    tmp_path: Path, spec: dict[str, Any], waits: bool
) -> None:
    run = driven(tmp_path, World(error_rate=bad), **spec)
    done = run.to_the_end()
    assert done.verdict == "rolled_back"
    [ended] = [e.at for e in events(run.path) if isinstance(e, Scaled) and e.replicas == 0]
    assert (ended - done.written_at >= done.spec.timeouts.drain_s) == waits
