"""Requests in annotations, and Rollout objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mesh.canary.kubernetes import asked
from mesh.canary.kubernetes.asked import COMMAND, START, Command, NotUnderstood, Start
from mesh.canary.kubernetes.standing import TAKEN, taken
from mesh.canary.runs.rollout import InvalidRollout

Json = dict[str, Any]


def with_annotation(name: str, text: str) -> Json:
    return {"metadata": {"name": "links", "annotations": {name: text}}}


def test_a_request_is_read_and_none_is_none() -> None:
    text = json.dumps({"id": "1", "by": "ada", "set": ["env.A=b"], "image": None})
    assert asked.start(with_annotation(START, text)) == Start(id="1", by="ada", set=("env.A=b",))
    word = json.dumps({"id": "2", "by": "eve", "verb": "approve", "gate": "qa"})
    assert asked.command(with_annotation(COMMAND, word)) == Command(
        id="2", by="eve", verb="approve", gate="qa"
    )
    assert asked.start({"metadata": {}}) is None
    assert asked.command(with_annotation(COMMAND, "")) is None


@pytest.mark.parametrize(
    ("text", "id", "why"),
    [
        ('{"id": "1", "by": "ada", "verb": "explode"}', "1", "Invalid enum value 'explode'"),
        ('{"id": "1", "by": "ada", "verb": "pause", "force": true}', "1", "unknown field `force`"),
        ('{"by": "ada", "verb": "pause"}', '{"by": "ada", "verb": "pause"}', "missing required field `id`"),
        ("pause", "pause", "malformed"),
        ("[1]", "[1]", "Expected `object`"),
        ('{"id": "' + "x" * 99 + '", "by": "ada", "verb": "pause"}', "x" * 64, "length <= 64"),
    ],
)
def test_what_is_wrong_is_said_once_under_an_id(text: str, id: str, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why) as caught:
        asked.command(with_annotation(COMMAND, text))
    assert caught.value.id == id


def test_an_object_of_the_server_is_the_rollout_it_describes() -> None:
    metadata = {"name": "links", "namespace": "app", "uid": "x", "managedFields": [], "resourceVersion": "1"}
    found = asked.rollout({"metadata": metadata, "spec": {"service": "links"}, "status": {"phase": "x"}})
    assert (found.metadata.name, found.metadata.namespace, found.spec.service) == ("links", "app", "links")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"service": "links", "pods": {"least": 3, "most": 2}}, "pods.least is more than pods.most"),
        ({"service": "links", "gates": [{"type": "webhook", "name": "a", "at": "end"}]}, "url"),
        (None, "it has none"),
    ],
)
def test_rules_that_the_server_does_not_know_are_checked_too(spec: Any, why: str) -> None:
    with pytest.raises(InvalidRollout, match=why):
        asked.rollout({"metadata": {"name": "links", "namespace": "app"}, "spec": spec})


def test_what_still_stands_is_not_forgotten_among_what_is_taken() -> None:
    text = json.dumps({"id": "old", "by": "ada"})
    stands = asked.standing(with_annotation(START, text))
    assert stands == {"old"}
    ids: tuple[str, ...] = ("old", "gone")
    for number in range(3 * TAKEN):
        ids = taken(ids, str(number), stands)
    assert ids[0] == "old"
    assert "gone" not in ids
    assert len(ids) == TAKEN + 1
    assert taken(ids, "old", stands)[-1] == "old"
    assert asked.standing(with_annotation(COMMAND, "no JSON")) == {"no JSON"}
