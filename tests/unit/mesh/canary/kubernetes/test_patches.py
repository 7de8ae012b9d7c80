"""What a write changes of a VirtualService."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.canary.kubernetes.patches import NotOurs, of_weights
from mesh.canary.runs import traffic
from mesh.canary.runs.fields import Header
from mesh.canary.runs.traffic import Traffic, Ways

Json = dict[str, Any]
HEADER = Ways(Header(name="x-canary", value="yes"))


def body(percent: int = 0, header: bool = False) -> Json:
    route = [
        {"destination": {"host": "links", "subset": "v1"}, "weight": 100 - percent},
        {"destination": {"host": "links", "subset": "v2"}, "weight": percent},
    ]
    made: Json = {
        "metadata": {"name": "links-routes", "namespace": "app", "resourceVersion": "7"},
        "spec": {"hosts": ["links"], "http": [{"name": "split", "route": route, "timeout": "5s"}]},
    }
    return traffic.write(made, "v1", "v2", Traffic(percent, header), HEADER)


def applied(before: Json, operations: list[Json]) -> Json:
    """The JSON patch, as far as it is used here."""
    made: Any = copy.deepcopy(before)
    for operation in operations:
        *parts, last = operation["path"].removeprefix("/").split("/")
        place = made
        for part in parts:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if operation["op"] == "test":
            assert place[last] == operation["value"]
        else:
            place[last] = operation["value"]
    return dict(made)


@given(
    before=st.tuples(st.integers(0, 100), st.booleans()),
    after=st.tuples(st.integers(0, 100), st.booleans()),
)
def test_the_patch_leads_from_one_to_the_other(before: tuple[int, bool], after: tuple[int, bool]) -> None:
    old, new = body(*before), body(*after)
    operations = of_weights(old, new, "7")
    assert applied(old, operations) == new
    assert bool(operations) == (old != new)
    if operations:
        assert operations[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    if before[1] == after[1]:
        assert all(operation["path"].endswith("weight") for operation in operations[1:])


def test_a_weight_that_is_not_there_is_added() -> None:
    old = body(0)
    del old["spec"]["http"][0]["route"][1]["weight"]
    _, *changes = of_weights(old, body(5), "7")
    assert [(one["op"], one["value"]) for one in changes] == [("replace", 95), ("add", 5)]


@pytest.mark.parametrize("change", [{"hosts": ["other"]}, {"gateways": ["edge"]}, {"tcp": []}])
def test_nothing_else_is_changed(change: Json) -> None:
    new = body(5)
    new["spec"].update(change)
    with pytest.raises(NotOurs):
        of_weights(body(), new, "7")
