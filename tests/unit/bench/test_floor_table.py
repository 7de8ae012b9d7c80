"""The table of floors and wholes, and the goals, of slices that are made up."""

from __future__ import annotations

import pytest

from tests.bench.floor_table import FLOORS, MESHED, OFF, TRACED, Goal, goals, hops, rows
from tests.bench.rounds import Slice

LAYERS = ("gateway", "sidecar", "service", "postgres")


def measured(*, rate: float = 100.0, service: float = 250.0) -> dict[str, list[Slice]]:
    """One round of everything: each part of a floor costs 50, each layer of a whole 100, the service more."""
    parts: dict[str, set[str]] = {}
    for layers in FLOORS.values():
        for floor in layers.values():
            for name, part in floor:
                parts.setdefault(name, set()).add(part)
    found = {name: [Slice(dict.fromkeys(sorted(own), 50.0), 100.0, ())] for name, own in parts.items()}
    for operation in FLOORS:
        whole = dict.fromkeys(LAYERS, 100.0) | {"service": service}
        found[f"{operation}, {MESHED}"] = [Slice(whole, rate, ())]
        found[f"{operation}, {OFF}"] = [Slice({"service": 230.0}, 180.0, ())]
        found[f"{operation}, {TRACED}"] = [Slice({"service": 240.0}, 175.0, ())]
    return found


def reached(**changes: float) -> dict[str, Goal]:
    return {goal.name.partition(":")[0] + goal.bound: goal for goal in goals(measured(**changes))}


def test_a_row_says_what_is_above_the_floor() -> None:
    found = {(row.operation, row.layer): row for row in rows(measured())}
    assert found["list", "sidecar"].above == 50.0
    assert found["list", "service"].floor == 100.0  # starlette and the client of the database
    assert found["list", "service"].above == 150.0


def test_the_layers_together_are_a_row_of_each_operation() -> None:
    found = {row.operation: row for row in rows(measured()) if row.layer == "together"}
    assert found["save"].whole == 550.0
    assert found["save"].floor == 250.0


def test_a_hop_is_the_median_of_its_rounds() -> None:
    slices = [Slice({"proxy": us}, rate, ()) for us, rate in ((1.0, 9.0), (5.0, 7.0), (2.0, 8.0))]
    [hop] = hops({"Envoy": slices})
    assert (hop.rate, dict(hop.cpu_us)) == (8.0, {"proxy": 2.0})


def test_goals_are_kept_within_their_bounds() -> None:
    assert all(goal.is_kept for goal in goals(measured()))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [({"rate": 80.0}, {"list>= 0.50"}), ({"service": 310.0}, {"list<= 300 us"})],
)
def test_a_goal_beyond_its_bound_is_missed(changes: dict[str, float], missed: set[str]) -> None:
    assert {name for name, goal in reached(**changes).items() if not goal.is_kept} == missed
