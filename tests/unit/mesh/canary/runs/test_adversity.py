"""What a controller must not do when everything around it goes wrong at the worst moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.canary.platform import Away, PlatformError, Stored
from mesh.canary.runs.folder import name_of
from mesh.canary.runs.journal import Overwritten, Scraped, events
from mesh.canary.runs.run import OVERWRITTEN
from tests.unit.mesh.canary.runs.test_conductor import bad, driven
from tests.unit.mesh.canary.runs.world import Driven, World


def alone(tmp_path: Path, world: World, **spec: Any) -> Driven:
    """A run whose canary has just got all of the traffic."""
    run = driven(tmp_path, world, **spec)
    run.until(lambda run: run.percent == 100)
    return run


def everything_fails_at_100(version: str, weight: float) -> float:
    return 0.5 if version == "v2" and weight == 1 else 0.001


def stable_serves(world: World) -> bool:
    return world.canary_weight() == 0 and world.replicas["links-v1"] == 3


def test_a_canary_that_nobody_can_see_with_all_requests_is_not_promoted(tmp_path: Path) -> None:
    world = World()
    run = alone(tmp_path, world)
    world.silent = True
    done = run.to_the_end(1000)
    assert (done.verdict, "no data" in done.reason) == ("inconclusive", True)
    assert stable_serves(world)


@pytest.mark.parametrize("spec", [{"timeouts": {"drainS": 0}}, {"analysis": {"scrapeIntervalS": 15}}])
def test_a_bake_lasts_as_many_scrapes_as_it_takes_to_fail(tmp_path: Path, spec: dict[str, Any]) -> None:
    world = World(error_rate=everything_fails_at_100)
    done = driven(tmp_path, world, **spec).to_the_end()
    assert done.verdict == "rolled_back"
    assert stable_serves(world)


def test_a_controller_that_was_away_during_the_bake_does_not_take_it_for_done(tmp_path: Path) -> None:
    world = World(error_rate=everything_fails_at_100)
    run = alone(tmp_path, world)
    for _ in range(600):
        world.pass_by()
    run.restart()
    assert run.to_the_end(200).verdict == "rolled_back"
    assert stable_serves(world)


def test_a_promotion_by_a_person_waits_for_something_to_judge_by(tmp_path: Path) -> None:
    world = World(error_rate=everything_fails_at_100)
    run = driven(tmp_path, world)
    run.say("promote")
    assert run.to_the_end().verdict == "rolled_back"
    assert stable_serves(world)


def test_both_versions_failing_while_a_promotion_waits_for_pods_blames_nobody(tmp_path: Path) -> None:
    world = World()
    world.starts_in_s = 60.0
    run = driven(tmp_path, world)
    run.until(lambda run: run.stage == "promoting")
    world.error_rate = lambda _version, _weight: 0.2
    for _ in range(40):
        run.second()
    assert run.run.stage == "promoting"
    world.error_rate = lambda _version, _weight: 0.001
    assert run.to_the_end().verdict == "promoted"


def test_stable_gets_its_pods_back_when_they_went_too_soon(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    scale = world.scale

    async def lossy(deployment: str, replicas: int) -> None:
        await scale(deployment, replicas)
        if deployment == "links-v1" and replicas == 0:
            raise Away("too slow")

    world.scale = lossy  # type: ignore[method-assign]
    run.until(lambda run: world.replicas["links-v1"] == 0)
    world.scale = scale  # type: ignore[method-assign]
    run.say("abort")
    assert run.to_the_end(300).verdict == "aborted"
    assert stable_serves(world)


@pytest.mark.parametrize("verb", ["abort", "promote"])
def test_a_run_whose_start_gate_is_closed_can_be_ended(tmp_path: Path, verb: Any) -> None:
    gates = [{"type": "manual", "name": "go", "at": "start"}]
    world = World(open_gates=False)
    run = driven(tmp_path, world, gates=gates)
    run.second()
    run.say(verb)
    for _ in range(5):
        run.second()
    run.say("abort")
    assert run.to_the_end(60).verdict == "aborted"
    assert "links-v2-rollout" not in world.made


def test_a_deleted_canary_ends_its_run(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    del world.made["links-v2-rollout"]
    done = run.to_the_end(300)
    assert (done.verdict, world.canary_weight()) == ("inconclusive", 0)


def test_another_image_in_the_middle_is_another_run(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    world.made["links-v2-rollout"]["spec"]["template"]["spec"]["containers"][0]["image"] = "links:3"
    done = run.to_the_end(300)
    assert (done.verdict, "new run" in done.reason) == ("inconclusive", True)


@pytest.mark.parametrize("held", ["paused", "gated"])
def test_time_that_is_up_outwaits_no_pause_and_no_gate(tmp_path: Path, held: str) -> None:
    gates = [{"type": "manual", "name": "all", "at": "promotion"}] if held == "gated" else []
    world = World(open_gates=False)
    spec = {"inconclusive": "promote-if-nonblocking", "timeouts": {"stepS": 120}}
    run = driven(tmp_path, world, gates=gates, **spec)
    if held == "paused":
        run.until(lambda run: run.percent >= 5)
        run.say("pause")
    done = run.to_the_end()
    assert (done.verdict, world.canary_weight()) == ("inconclusive", 0)


def test_a_share_that_is_held_after_the_decision_is_judged_still(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, inconclusive="hold", timeouts={"stepS": 20}, steps=[25, 50])
    run.until(lambda run: run.decision is not None and run.decision.phase == "inconclusive")
    for _ in range(60):
        run.second()
    assert world.canary_weight() > 0
    world.error_rate = bad
    assert run.to_the_end(300).verdict == "rolled_back"


def test_a_moment_without_readiness_after_a_long_time_blames_nobody(tmp_path: Path) -> None:
    world = World(rps=0.0)
    run = driven(tmp_path, world)
    for _ in range(400):
        run.second()
    world.ready_at["links-v2-rollout"] = world.now + 3
    for _ in range(10):
        run.second()
    assert run.run.stage == "warming"


@pytest.mark.parametrize("stage", ["preparing", "warming"])
def test_an_hour_without_the_mesh_is_no_hour_of_unready_pods(tmp_path: Path, stage: str) -> None:
    world = World()
    world.starts_in_s = 20.0 if stage == "preparing" else 4.0
    run = driven(tmp_path, world)
    run.until(lambda run: run.stage == stage and bool(run.scaled))
    world.away = True
    for _ in range(400):
        run.second()
    world.away = False
    world.ready_at["links-v2-rollout"] = world.now + 8
    assert run.to_the_end().verdict == "promoted"


def test_its_own_write_that_was_answered_late_is_not_somebody_elses(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    write, late = world.write_virtual_service, [0]

    async def slow(body: Any, version: str) -> Stored:
        written = await write(body, version)
        late[0] += 1
        if late[0] % 2:
            raise Away("not within 60 s")
        return written

    world.write_virtual_service = slow  # type: ignore[method-assign]
    assert run.to_the_end().verdict == "promoted"
    assert not any(isinstance(event, Overwritten) for event in events(run.path))


def test_one_foreign_change_counts_once_however_often_it_is_seen(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    world.overwrite(30)
    write, failing = world.write_virtual_service, [3]

    async def sometimes(body: Any, version: str) -> Stored:
        if failing[0]:
            failing[0] -= 1
            raise Away("too slow")
        return await write(body, version)

    world.write_virtual_service = sometimes  # type: ignore[method-assign]
    for _ in range(30):
        run.second()
    assert (run.run.overwritten, run.run.paused) == (1, "")
    assert world.canary_weight() != 30


def test_evidence_counts_while_the_weights_cannot_be_read(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    read = world.virtual_service

    async def forbidden(name: str) -> Stored:
        raise PlatformError("forbidden")

    world.virtual_service = forbidden  # type: ignore[method-assign]
    world.error_rate = bad
    seen = sum(isinstance(event, Scraped) for event in events(run.path))
    run.until(lambda run: run.stage == "retreating", 300)
    assert sum(isinstance(event, Scraped) for event in events(run.path)) > seen
    world.virtual_service = read  # type: ignore[method-assign]
    assert run.to_the_end(120).verdict == "rolled_back"


def test_what_only_a_header_reaches_is_judged_also_while_paused_by_foreign_weights(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, header={"name": "x-canary", "value": "yes", "forS": 3600})
    run.until(lambda run: run.stage == "trying" and run.traffic is not None)
    world.overwrite(40)
    run.until(lambda run: run.overwritten == 1, 10)
    world.overwrite(50)
    run.until(lambda run: run.paused == OVERWRITTEN, 10)
    world.error_rate = bad
    assert run.to_the_end(600).verdict == "rolled_back"
    assert world.canary_weight() == 0
    assert len(world.body["spec"]["http"]) == 1


def test_a_pause_keeps_stables_pods_and_an_emergency_of_a_person_stands(tmp_path: Path) -> None:
    world = World()
    run = alone(tmp_path, world)
    run.say("pause")
    for _ in range(120):
        run.second()
    assert world.replicas["links-v1"] == 3
    run.say("resume")
    world.overwrite(0)
    run.until(lambda run: run.overwritten == 1, 10)
    world.overwrite(0)
    run.until(lambda run: run.paused == OVERWRITTEN, 10)
    for _ in range(60):
        run.second()
    assert stable_serves(world)
    run.say("abort")
    assert run.to_the_end(120).verdict == "aborted"


def test_a_clock_that_is_set_back_does_not_stop_the_judging(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent >= 5)
    run.clock_ahead_s = -3600.0
    world.error_rate = bad
    assert run.to_the_end(300).verdict in ("rolled_back", "inconclusive")


def test_rubbish_among_commands_stops_nobody(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    file = run.path.with_name(f"{name_of(run.path)}.commands.jsonl")
    file.write_bytes(b"\xff\xfe\n" + b"[" * 100_000 + b"\n")
    run.say("abort")
    assert run.to_the_end(60).verdict == "aborted"


def test_a_dry_run_tries_no_header(tmp_path: Path) -> None:
    world = World()
    header = {"name": "x-canary", "value": "yes"}
    run = driven(tmp_path, world, dryRun=True, header=header)
    run.until(lambda run: run.stage == "stepping", 120)
