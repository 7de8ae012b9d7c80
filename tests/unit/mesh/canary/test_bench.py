"""What the bench measures is what a decider does."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

import numpy as np
import pytest

from mesh.canary import engine, wealth
from mesh.canary.batch import Batch, History, of_history, of_observation
from mesh.canary.decision import Decider
from tests.bench.canary.checks import on_the_line, vectors
from tests.bench.canary.environment import SCENARIOS, Environment
from tests.bench.canary.others import flagger, kayenta, p99
from tests.bench.canary.rollout import ours
from tests.unit.mesh.canary.service import SETTINGS, Service

T = TypeVar("T", Batch, History)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def stacked(parts: list[T]) -> T:
    """Runs of one as runs side by side."""
    kind = type(parts[0])
    return kind(
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(kind)}
    )


def test_runs_side_by_side_decide_as_each_alone() -> None:
    services = [
        Service(seed=1),
        Service(seed=2, canary=lambda _scrape, _weight: 0.02),
        Service(seed=3, both=lambda scrape, _weight: 0.2 if 4 <= scrape < 16 else 0.0),
    ]
    histories = [service.history() for service in services]
    deciders = [Decider(SETTINGS, history) for history in histories]
    slo = SETTINGS.slo_error_rate
    plan, state = engine.begin(SETTINGS, stacked([of_history(each, 2, slo) for each in histories]))
    for number in range(40):
        pairs = list(zip(services, deciders, strict=True))
        seen = [service.scrape(number, decider.decision.weight) for service, decider in pairs]
        engine.observe(plan, state, stacked([of_observation(each, slo) for each in seen]))
        alone = [decider.observe(each) for decider, each in zip(deciders, seen, strict=True)]
        assert [engine.PHASES[phase] for phase in state.phase] == [decision.phase for decision in alone]
        assert state.weight.tolist() == [decision.weight for decision in alone]
        live = state.phase < engine.TERMINAL
        expected = np.array([decision.wealth for decision in alone])
        assert wealth.wealth(plan, state)[live] == pytest.approx(expected[live], rel=1e-9)
    assert {decision.phase for decision in alone} >= {"promoted", "rolled_back"}


def test_the_bench_tells_good_from_bad() -> None:
    good, bad = BY_NAME["healthy .5 %"], BY_NAME[".1->5 %"]
    assert (ours(good, 10, 1).phase == engine.PROMOTED).all()
    assert (ours(bad, 10, 1).phase == engine.ROLLED_BACK).all()
    assert (flagger(bad, 5, 1).minutes == 6).all()
    assert (kayenta(bad, 5, 1).minutes == 10).all()
    assert vectors() <= 1e-6
    assert on_the_line() <= 1e-12


def test_the_service_has_the_latency_it_claims() -> None:
    environment = Environment(BY_NAME["healthy .1 %"], 1, 2, 1)
    slow = environment.tails[0] * 1e6
    assert p99(np.array([1e6]), slow[None])[0] == pytest.approx(228.6, abs=1)
    slower = Environment(BY_NAME["p99 x1.5"], 1, 2, 1).tails[1] * 1e6
    assert p99(np.array([1e6]), slower[None])[0] == pytest.approx(248.6, abs=1)
