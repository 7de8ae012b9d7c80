"""What may come before a share of the requests, or beside it: copies, people who stay, load that is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mesh.canary.model import PodSample
from mesh.canary.runs.fields import Affinity
from mesh.canary.runs.journal import Began, Entered, Scaled, Scraped, Written, events
from mesh.canary.runs.notices import sentence
from mesh.canary.runs.rollout import InvalidRollout
from mesh.canary.runs.run import OVERWRITTEN, Run
from mesh.canary.runs.starting import NotStarted
from mesh.canary.runs.traffic import Traffic, Ways, read, write
from mesh.canary.views.explaining import explain
from mesh.canary.views.story import story
from tests.unit.mesh.canary.runs.test_conductor import bad, decisions_of, driven, replayed
from tests.unit.mesh.canary.runs.world import Driven, Killed, World, deployment, rollout, routes

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


AFFINITY = Affinity()
LADDER = (1, 5, 10, 25, 50)
KEPT = Ways(affinity=AFFINITY, steps=LADDER, token="abcd1234")


def found_by(body: dict[str, Any], cookie: str) -> str | None:
    """The subset that a request with these cookies is sent to, None where weights decide."""
    for route in body["spec"]["http"]:
        regex = route.get("match", [{}])[0].get("headers", {}).get("cookie", {}).get("regex")
        if regex is not None and re.fullmatch(regex, cookie):
            return str(route["route"][0]["destination"]["subset"])
    return None


def places(body: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """The cookies that are given: to what subset, and to how many of a hundred."""
    found = {}
    for entry in body["spec"]["http"][-1]["route"]:
        cookie = entry["headers"]["response"]["add"]["set-cookie"].partition(";")[0]
        found[cookie] = (entry["destination"]["subset"], entry["weight"])
    return found


@given(st.sampled_from((*LADDER, 100)), st.sampled_from((*LADDER, 0)))
def test_who_has_a_place_keeps_it_and_only_stables_move(high: int, low: int) -> None:
    plain = routes(100, 0)
    before, after = sorted((high, low))
    one = write(plain, "v1", "v2", Traffic(before), KEPT)
    other = write(one, "v1", "v2", Traffic(after), KEPT)
    assert (read(one, "v1", "v2"), read(other, "v1", "v2")) == (Traffic(before), Traffic(after))
    assert write(other, "v1", "v2", Traffic(0), KEPT) == plain
    if 0 in (before, after) or after == 100:
        return
    for cookie, (subset, _) in places(one).items():
        others = f"a=b; {cookie}; c=d"
        assert found_by(one, others) == subset
        assert found_by(other, others) == ("v2" if subset == "v2" else found_by(other, cookie))
    moved = sum(weight for cookie, (_, weight) in places(one).items() if found_by(other, cookie) == "v2")
    assert moved == after


def test_another_runs_cookie_is_none() -> None:
    body = write(routes(100, 0), "v1", "v2", Traffic(10), KEPT)
    assert found_by(body, "track=abcd1234-5") == "v2"
    assert found_by(body, "track=abcd1234-50") == "v1"
    for cookie in ("track=ffff1234-5", "track=abcd1234-500", "xtrack=abcd1234-5", "track=abcd1234-5x"):
        assert found_by(body, cookie) is None


def test_a_second_run_of_the_same_revision_gives_everybody_a_new_place(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, affinity={})
    run.until(lambda run: run.percent == 10)
    begun = run.run.began
    other = Run(Began(**{**structs.asdict(begun), "run": "20270116-080000-0000"}))
    other.decider, other.traffic = run.run.decider, run.run.traffic
    body = write(routes(100, 0), "v1", "v2", Traffic(10), other.ways)
    assert not any(found_by(body, cookie) for cookie in places(world.body))


def test_entries_of_the_split_keep_what_is_theirs() -> None:
    plain = routes(100, 0)
    plain["spec"]["http"][0]["route"][0]["headers"] = {"response": {"add": {"x-track": "v1"}}}
    made = write(plain, "v1", "v2", Traffic(10), KEPT)
    assert write(made, "v1", "v2", Traffic(0), KEPT) == plain


@pytest.mark.parametrize("name", ["track", "session"])
def test_a_split_that_sets_cookies_itself_takes_no_places_beside_them(tmp_path: Path, name: str) -> None:
    world = World()
    own = {"response": {"add": {"set-cookie": f"{name}=1"}}}
    world.body["spec"]["http"][0]["route"][0]["headers"] = own
    with pytest.raises(NotStarted, match="affinity sets a cookie, and v1 sets one already"):
        driven(tmp_path, world, affinity={})


def test_a_tester_keeps_the_cookie_of_a_tester() -> None:
    with pytest.raises(InvalidRollout, match="would lose that cookie to a place"):
        rollout(affinity={}, cookie={"name": "track", "value": "me"})


def test_people_stay_with_their_version_through_a_whole_run(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, affinity={})
    run.until(lambda run: run.percent == 10)
    assert [route["name"] for route in world.body["spec"]["http"]] == [
        "canary-affinity",
        "stable-affinity",
        "split",
    ]
    assert run.to_the_end().verdict == "promoted"
    assert world.body == routes(0, 100)


def test_one_busy_person_is_no_wrong_split(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world, affinity={})
    run.until(lambda run: run.percent > 0)
    world.lost_split = True  # all who are there have their place in stable
    for _ in range(300):
        run.second()
    assert run.run.stage == "stepping"


LOAD = {"deployment": "canary-load", "replicas": 2, "belowRps": 1}


def quiet() -> World:
    world = World(rps=0.0)
    world.made["canary-load"] = deployment("canary-load", "none", 0)
    world.replicas["canary-load"] = 0
    world.ready_at["canary-load"] = 0.0
    return world


def test_load_is_made_where_there_is_no_traffic_and_only_while_the_run_lasts(tmp_path: Path) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD)
    run.until(lambda _: world.replicas["canary-load"] == 2)
    world.rps = 20.0
    assert run.to_the_end().verdict == "promoted"
    assert world.replicas["canary-load"] == 0
    scaled = [e.replicas for e in events(run.path) if isinstance(e, Scaled) and e.deployment == "canary-load"]
    assert scaled == [2, 0]


def test_no_load_is_made_where_there_is_traffic(tmp_path: Path) -> None:
    world = quiet()
    world.rps = 50.0
    run = driven(tmp_path, world, load=LOAD)
    run.until(lambda run: run.percent > 0)
    assert world.replicas["canary-load"] == 0


def test_load_is_ended_whatever_call_a_process_dies_at(tmp_path: Path) -> None:
    for killed_at in range(10, 60):
        world = quiet()
        world.killed_at = killed_at
        run = driven(tmp_path / str(killed_at), world, load=LOAD)
        run.until(lambda run, world=world: world.replicas["canary-load"] == 2)  # type: ignore[misc]
        for _ in range(2):
            run.second()
        run.say("abort")
        assert run.to_the_end(120).verdict == "aborted"
        assert world.replicas["canary-load"] == 0, f"killed at {killed_at}"


def test_load_that_was_made_by_a_process_that_died_is_ended(tmp_path: Path) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD)
    scale = world.scale

    async def last(deployment: str, replicas: int) -> None:
        await scale(deployment, replicas)
        if (deployment, replicas) == ("canary-load", 2):
            world.scale = scale  # type: ignore[method-assign]
            raise Killed

    world.scale = last  # type: ignore[method-assign]
    run.until(lambda _: world.replicas["canary-load"] == 2)
    world.rps = 20.0  # of which nobody could tell any more that it was made
    assert run.to_the_end().verdict == "promoted"
    assert world.replicas["canary-load"] == 0


@pytest.mark.parametrize("asked", [True, False], ids=["that it asked for as well", "that it found"])
def test_the_end_of_another_run_takes_no_load_away_for_good(tmp_path: Path, asked: bool) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD)
    if asked:
        run.until(lambda _: world.replicas["canary-load"] == 2)
    world.replicas["canary-load"] = 2
    world.rps = 20.0
    run.until(lambda run: run.percent > 0)
    world.replicas["canary-load"], world.rps = 0, 0.0
    run.until(lambda _: world.replicas["canary-load"] == 2, 90)
    world.rps = 20.0
    assert run.to_the_end().verdict == "promoted"
    assert world.replicas["canary-load"] == 0


def test_a_run_whose_load_is_deleted_meanwhile_waits_no_longer_than_for_other_traffic(tmp_path: Path) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD)
    run.until(lambda _: world.replicas["canary-load"] == 2)
    del world.made["canary-load"]
    assert run.to_the_end().verdict == "inconclusive"


def test_load_ends_with_a_run_that_is_aborted(tmp_path: Path) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD)
    run.until(lambda _: world.replicas["canary-load"] == 2)
    run.say("abort")
    assert run.to_the_end().verdict == "aborted"
    assert world.replicas["canary-load"] == 0


def test_a_dry_run_makes_no_load_and_no_copies(tmp_path: Path) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD, mirror={}, dryRun=True)
    for _ in range(120):
        run.second()
    assert world.replicas["canary-load"] == 0
    world.rps = 50.0
    run.until(lambda run: run.stage == "stepping")
    assert world.body == routes()


def test_load_that_nobody_has_begins_no_run(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"spec.load: there is no Deployment canary-load"):
        Driven(tmp_path, World(), rollout(load=LOAD))
