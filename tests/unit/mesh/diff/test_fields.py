"""The fields in which two values differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.local.diff.fields import changes
from mesh.local.diff.objects import object_changes
from mesh.local.model import Config
from mesh.local.resources import parse


def told(before: Any, after: Any) -> list[str]:
    return [f"{change.verb} {change}" for change in changes(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["changed a: 1 -> 2"]),
        ({}, {"a": {"b": 1}}, ['added a: {"b": 1}']),
        ({"a": "x"}, {}, ["removed a: x"]),
        ({"a": [1, 2, 3]}, {"a": [1, 3]}, ["removed a[1]: 2"]),
        ({"a": [1, 3]}, {"a": [1, 2, 3]}, ["added a[1]: 2"]),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}]}, ["changed a[0].x: 1 -> 2"]),
        (
            {"a": [{"name": "v1", "x": 1}, {"name": "v2"}]},
            {"a": [{"name": "v2"}, {"name": "v3"}, {"name": "v1", "x": 2}]},
            ["changed a.v1.x: 1 -> 2", 'added a.v3: {"name": "v3"}'],
        ),
        ({"a": [{"name": "x"}, {"name": "y"}]}, {"a": [{"name": "y"}, {"name": "x"}]},
         ['changed a (order): ["x", "y"] -> ["y", "x"]']),
    ],
)  # fmt: skip
def test_each_field_is_told_once(before: Any, after: Any, sentences: list[str]) -> None:
    assert told(before, after) == sentences


def test_names_stand_in_paths_only_where_they_are_wanted() -> None:
    before = [{"name": "a"}, {"name": "b", "x": 1}, {"name": "c"}]
    after = [{"name": "b", "x": 2}, {"name": "c"}]
    found = [str(change) for change in changes(before, after, ("http",), named=False)]
    assert found == ['http[0]: {"name": "a"}', "http[0].x: 1 -> 2"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abn"), inner, max_size=3),
    max_leaves=8,
)


@given(before=VALUES, after=VALUES)
def test_whatever_differs_is_told_and_nothing_else(before: Any, after: Any) -> None:
    assert bool(list(changes(before, after))) == (before != after)


DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME }
spec: { replicas: COUNT, template: TEXT }
"""


def config(*deployments: tuple[str, int, str]) -> Config:
    texts = [
        DEPLOYMENT.replace("NAME", name).replace("COUNT", str(count)).replace("TEXT", text)
        for name, count, text in deployments
    ]
    return Config(parse("---\n".join(texts), "a.yaml"))


def test_objects_are_told_in_kubectls_words_and_pods_are_thought_of() -> None:
    before = config(("gone", 1, "{}"), ("same", 1, "{}"), ("wider", 1, "{}"), ("other", 1, "{}"))
    after = config(("same", 1, "{}"), ("wider", 2, "{}"), ("other", 1, "{ a: b }"), ("new", 1, "{}"))
    found = {change.name: (change.verb, change.replaces_pods) for change in object_changes(before, after)}
    assert found == {
        "gone": ("deleted", False),
        "wider": ("configured", False),
        "other": ("configured", True),
        "new": ("created", False),
    }
