"""The two weights in a VirtualService, and nothing else of it."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from mesh.canary.runs.fields import Header
from mesh.canary.runs.traffic import Traffic, Ways, read, write
from tests.unit.mesh.canary.runs.world import routes

HEADER = Ways(Header(name="x-canary", value="yes"))


@given(st.integers(0, 100), st.integers(0, 100), st.booleans(), st.booleans())
def test_what_is_written_is_read_and_nothing_else_changes(
    before: int, after: int, had: bool, has: bool
) -> None:
    body = write(routes(100, 0), "v1", "v2", Traffic(before, had), HEADER)
    body["spec"]["http"][-1]["timeout"] = "3s"
    old = copy.deepcopy(body)
    made = write(body, "v1", "v2", Traffic(after, has), HEADER)
    assert body == old
    assert read(made, "v1", "v2") == Traffic(after, has)
    assert made["spec"]["http"][-1]["timeout"] == "3s"
    back = write(made, "v1", "v2", Traffic(before, had), HEADER)
    assert back == old


def test_weights_that_are_left_out_are_0() -> None:
    body = routes(100, 0)
    del body["spec"]["http"][0]["route"][1]["weight"]
    assert read(body, "v1", "v2") == Traffic(0)
