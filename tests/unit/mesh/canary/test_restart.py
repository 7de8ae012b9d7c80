"""A run that is replayed, restarted or fed in another order decides the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.canary import engine, promotion, references, wealth
from mesh.canary.batch import of_history, of_observation
from mesh.canary.decision import ArmSample, Decider, Decision, Observation, PodSample
from tests.unit.mesh.canary.service import SETTINGS, Service

RUNS = {
    "healthy": Service(rps=50.0),
    "broken": Service(canary=lambda _scrape, _weight: 0.01),
    "outage": Service(both=lambda scrape, _weight: 0.2 if 8 <= scrape < 24 else 0.0),
    "late": Service(canary=lambda _scrape, weight: 0.02 if weight >= 0.25 else 0.0),
}


def recorded(name: str) -> tuple[str, list[Observation], list[Decision]]:
    service = RUNS[name]
    service.__post_init__()
    begun = service.decider().dumps()
    service.__post_init__()
    return begun, *service.run()


@pytest.mark.parametrize("name", RUNS)
def test_restarts_at_random_points_change_nothing(name: str) -> None:
    begun, observations, decisions = recorded(name)
    for seed in range(5):
        chance = np.random.default_rng(seed)
        decider = Decider.loads(begun)
        for observation, decision in zip(observations, decisions, strict=True):
            if chance.random() < 0.3:
                decider = Decider.loads(decider.dumps())
            assert decider.observe(observation) == decision
            if chance.random() < 0.2:
                assert decider.observe(observation) == decision


@pytest.mark.parametrize("name", RUNS)
def test_the_state_is_small_and_exact(name: str) -> None:
    begun, observations, _ = recorded(name)
    decider = Decider.loads(begun)
    for observation in observations:
        decider.observe(observation)
        text = decider.dumps()
        assert len(text.encode()) <= 4096
        assert Decider.loads(text).dumps() == text


def test_the_largest_state_is_at_most_four_kilobytes() -> None:
    """Every setting given, as many edges and steps as there may be, and long numbers everywhere."""
    edges = tuple(round(10 * 1.25**i, 3) for i in range(32))
    full = replace(
        SETTINGS,
        latency_edges_ms=edges,
        steps=tuple(round(0.01234567 * 1.5**i, 8) for i in range(10)),
        expected_rps=123.456789,
        max_pods=1000,
        run_timeout_s=12345.678,
        min_history_s=0,
        alpha_rollback=0.0123456789,
        alpha_promote=0.0123456789,
        slo_error_rate=0.0123456789,
    )
    service = Service()
    wide = tuple(range(32, 0, -1))
    history = [replace(sample, slow=wide) for sample in service.history(60)]
    decider = Decider(full, history)
    for number in range(200):
        seen = service.scrape(number, 0.01234567)
        stable, canary = replace(seen.stable, slow=wide), replace(seen.canary, slow=(0,) * 32)
        decider.observe(replace(seen, stable=stable, canary=canary, at=1.7e9 + 15.0123 * number))
    assert len(decider.dumps().encode()) <= 4096


@given(st.permutations(range(4)), st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_the_order_of_scrapes_inside_a_step_does_not_matter(order: list[int], seed: int) -> None:
    """Judged by the same reference, the evidence of some scrapes is a product."""
    service = Service(rps=100.0, seed=seed)
    plan, begun = engine.begin(SETTINGS, of_history(service.history(), 2, 0.01))
    batches = [of_observation(service.scrape(number, 0.01), 0.01) for number in range(4)]
    out_of_step = np.array([False])
    found = []
    for sequence in (range(4), order):
        state = begun.take(np.array([0]))
        for number in sequence:
            seen = references.effective(plan, begun, batches[number])
            wealth.update(plan, state, batches[number], seen, out_of_step)
            promotion.update(plan, state, seen, ~out_of_step)
        found.append((float(wealth.wealth(plan, state)[0]), *state.log_proof[0]))
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_a_missing_scrape_is_remembered_over_a_restart() -> None:
    decider = Service().decider()
    for _ in range(8):
        decider.observe(None)
    assert Decider.loads(decider.dumps()).observe(None).phase == "holding"


def test_stable_against_itself_for_an_hour_keeps_its_wealth_below_the_line() -> None:
    """A/A: some pods in turn play the canary against the rest."""
    service = Service(rps=100.0, errors=0.004)
    history = [replace(sample, slow=()) for sample in service.history()]
    for name in list(history[0].pods)[:3]:
        decider = Decider(replace(SETTINGS, latency_edges_ms=(), steps=(0.1,)), history)
        for number, sample in enumerate(history):
            rest = {other: pod for other, pod in sample.pods.items() if other != name}
            arms = arm(rest), arm({name: sample.pods[name]})
            assert decider.observe(Observation(15.0 * number, 0.1, False, *arms)).wealth < 100


def arm(pods: dict[str, PodSample]) -> ArmSample:
    return ArmSample(
        sum(pod.requests for pod in pods.values()), sum(pod.errors for pod in pods.values()), (), pods
    )
