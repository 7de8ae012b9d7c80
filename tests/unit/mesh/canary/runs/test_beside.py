"""What may stand beside a run: people who stay with their version, load that is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mesh.canary.runs.fields import Affinity
from mesh.canary.runs.journal import Began, Scaled, events
from mesh.canary.runs.rollout import InvalidRollout
from mesh.canary.runs.run import Run
from mesh.canary.runs.starting import NotStarted
from mesh.canary.runs.traffic import Traffic, Ways, read, write
from mesh.canary.views.story import story
from mesh.canary.views.waiting import eta_s, waiting
from tests.unit.mesh.canary.runs.test_conductor import driven
from tests.unit.mesh.canary.runs.world import Driven, Killed, World, deployment, rollout, routes

AFFINITY = Affinity(cookie="track")
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


@pytest.mark.parametrize("name", ["track-links", "session"])
def test_a_split_that_sets_cookies_itself_takes_no_places_beside_them(tmp_path: Path, name: str) -> None:
    world = World()
    own = {"response": {"add": {"set-cookie": f"{name}=1"}}}
    world.body["spec"]["http"][0]["route"][0]["headers"] = own
    with pytest.raises(NotStarted, match="affinity sets a cookie, and v1 sets one already"):
        driven(tmp_path, world, affinity={})


def test_a_tester_keeps_the_cookie_of_a_tester() -> None:
    with pytest.raises(InvalidRollout, match="would lose that cookie to a place"):
        rollout(affinity={}, cookie={"name": "track-links", "value": "me"})


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


def test_load_that_a_person_has_asked_more_of_is_not_made_less(tmp_path: Path) -> None:
    world = quiet()
    run = driven(tmp_path, world, load=LOAD)
    run.until(lambda _: world.replicas["canary-load"] == 2)
    world.made["canary-load"]["spec"]["replicas"] = world.replicas["canary-load"] = 3
    world.rps = 20.0
    run.until(lambda run: run.percent > 0)
    assert world.replicas["canary-load"] == 3


def test_a_run_that_nobody_asks_anything_says_so(tmp_path: Path) -> None:
    world = World()
    run = driven(tmp_path, world)
    run.until(lambda run: run.percent > 0 and run.totals[1].requests > 0)
    assert not any("requests: none" in wait for wait in waiting(story(events(run.path)), world.now))
    world.rps = 0.0
    for _ in range(60):
        run.second()
    told = story(events(run.path))
    assert any(wait.startswith("requests: none in ") for wait in waiting(told, world.now))
    assert eta_s(told, world.now) is None


def test_two_services_at_one_address_have_two_cookies() -> None:
    kept = rollout(affinity={}).spec.kept
    assert kept is not None
    assert kept.cookie == "track-links"
