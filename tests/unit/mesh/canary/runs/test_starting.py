"""How a run begins, and what keeps it from beginning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mesh.canary.runs.journal import Began
from mesh.canary.runs.starting import MANAGER, Changes, NotStarted, begin, differences, revision, track
from tests.unit.mesh.canary.runs.world import BEGAN_AT, World, deployment, rollout, routes

RANK = Changes(sets=("env.SEARCH_RANK=bm25",))


def begun(world: World, changes: Changes = RANK, **spec: Any) -> Began:
    return asyncio.run(begin(world, rollout(**spec), changes, run="r", by="ada", at=BEGAN_AT))


def test_stable_is_whoever_has_all_of_the_traffic() -> None:
    world = World()
    assert (begun(world).stable, begun(world).canary, begun(world).base) == ("v1", "v2", "links-v1")
    world.body = routes(0, 100)
    world.made["links-v2-rollout"] = deployment("links-v2-rollout", "v2", 2)
    world.replicas |= {"links-v1": 0, "links-v2-rollout": 2}
    world.ready_at["links-v2-rollout"] = BEGAN_AT - 60
    found = begun(world)
    assert (found.stable, found.canary, found.base, found.name, found.replicas) == (
        *("v2", "v1", "links-v2-rollout", "links-v1-rollout", 2),
    )


def test_the_canary_is_stable_with_the_changes_and_belongs_to_nobody_else() -> None:
    base = deployment("links-v1", "v1", 3)
    base["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 3}
    base["spec"]["template"]["spec"]["containers"][0] |= {
        "args": ["--old"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
    }
    changes = Changes(("env.A=2", "env.C=3=4"), image="links:2", command="python -m 'services links'")
    made = track(base, "links-v2-rollout", "links", "v2", 1, changes)
    assert made["metadata"].keys() == {"name", "namespace", "labels"}
    for labels in (made["metadata"]["labels"], made["spec"]["selector"]["matchLabels"]):
        assert (labels["version"], labels["app.kubernetes.io/managed-by"]) == ("v2", MANAGER)
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["python", "-m", "services links"]
    assert (container["image"], "args" in container, made["spec"]["replicas"]) == ("links:2", False, 1)
    assert container["env"][0] == {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}
    assert container["env"][1:] == [{"name": "A", "value": "2"}, {"name": "C", "value": "3=4"}]
    assert base["metadata"]["uid"] == "1"
    told = differences(base, made)
    assert "env.A: 1 -> 2" in told
    assert "env.C: nothing -> 3=4" in told
    assert "image: links:1 -> links:2" in told


def test_a_revision_is_what_pods_are_made_of_and_not_what_they_are_called() -> None:
    base = deployment("links-v1", "v1", 3)
    same = track(base, "links-v2-rollout", "links", "v2", 1, Changes())
    other = track(base, "links-v2-rollout", "links", "v2", 1, RANK)
    assert revision(base) == revision(same) != revision(other)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda world: setattr(world, "body", routes(70, 30)), "gives v2 30 % now"),
        (
            lambda world: world.body["spec"]["http"].append({"name": "x", "route": []}),
            "exactly one http route",
        ),
        (lambda world: world.body["spec"].pop("http"), "has no http routes"),
        (lambda world: setattr(world, "body", routes(60, 30)), "add up to 90"),
        (lambda world: world.made.clear(), "no Deployment has pods with app=links and version=v1"),
        (lambda world: world.replicas.update({"links-v1": 0}), "no Deployment has pods"),
        (lambda world: world.ready_at.update({"links-v1": BEGAN_AT + 99}), "no pod of links-v1 is ready"),
    ],
)
def test_what_cannot_be_compared_is_not_begun(wrong: Any, told: str) -> None:
    world = World()
    wrong(world)
    with pytest.raises(NotStarted, match=told):
        begun(world)


def test_two_deployments_of_stable_are_no_baseline() -> None:
    world = World()
    world.made["links-other"] = deployment("links-other", "v1", 1)
    world.replicas["links-other"], world.ready_at["links-other"] = 1, BEGAN_AT - 60
    with pytest.raises(NotStarted, match="links-v1 and links-other both have pods"):
        begun(world)


def test_pods_that_stand_in_the_canarys_place_are_named() -> None:
    world = World()
    world.made["links-v2"] = deployment("links-v2", "v2", 1)
    world.replicas["links-v2"], world.ready_at["links-v2"] = 1, BEGAN_AT - 60
    with pytest.raises(NotStarted, match="links-v2 has pods in subset v2: scale it to 0 before a run begins"):
        begun(world)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (Changes(), "would be the same as stable"),
        (Changes(image="links:1"), "would be the same as stable"),
        (Changes(sets=("SEARCH_RANK=1",)), "it is written env.NAME=VALUE"),
        (Changes(sets=("env.=1",)), "it is written env.NAME=VALUE"),
        (Changes(sets=("env.A",)), "it is written env.NAME=VALUE"),
        (Changes(command="python 'x"), "no command line"),
    ],
)
def test_changes_that_are_none_or_wrong_are_told(changes: Changes, told: str) -> None:
    with pytest.raises(NotStarted, match=told):
        begun(World(), changes)
