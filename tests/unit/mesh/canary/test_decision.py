"""How a rollout ends, and what it says on the way."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from mesh.canary.decision import ArmSample, Decider, Decision, Observation, PodSample, Settings
from tests.unit.mesh.canary.service import SETTINGS, Service, ended

SEEDS = range(1, 4)


def last(service: Service, scrapes: int = 480) -> tuple[Decision, int]:
    _, decisions = service.run(scrapes)
    return decisions[-1], len(decisions)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_canary_climbs_the_ladder_and_is_promoted_in_five_minutes(seed: int) -> None:
    _, decisions = Service(seed=seed).run()
    assert decisions[-1].phase == "promoted"
    assert decisions[-1].weight == 1
    assert len(decisions) * 15 / 60 <= 6
    assert sorted({decision.weight for decision in decisions}) == [0.01, 0.05, 0.1, 0.25, 0.5, 1.0]
    assert all(decision.wealth < 100 for decision in decisions)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_canary_with_many_errors_is_rolled_back_in_a_minute(seed: int) -> None:
    decision, scrapes = last(Service(seed=seed, canary=lambda _scrape, _weight: 0.05))
    assert (decision.phase, decision.weight) == ("rolled_back", 0)
    assert "errors" in decision.reason
    assert decision.wealth >= 100
    assert decision.excess[0] > 0
    assert decision.eta_s is None
    assert scrapes <= 5


def test_a_slower_canary_is_rolled_back_for_its_latency() -> None:
    decision, _ = last(Service(slower=2.5))
    assert decision.phase == "rolled_back"
    assert "latency" in decision.reason


def test_a_fault_that_begins_at_a_quarter_of_the_traffic_is_found_there() -> None:
    _, decisions = Service(canary=lambda _scrape, weight: 0.05 if weight >= 0.25 else 0.0).run()
    assert decisions[-1].phase == "rolled_back"
    assert max(decision.weight for decision in decisions) == 0.25


def test_a_failure_of_both_arms_is_stepped_aside_from_without_blame() -> None:
    _, decisions = Service(both=lambda scrape, _weight: 0.2 if 8 <= scrape < 24 else 0.0).run()
    aside = [decision for decision in decisions if decision.phase == "aside"]
    assert aside
    assert all(decision.weight == 0 and decision.eta_s is None for decision in aside)
    assert decisions[-1].phase == "promoted"
    weights = [decision.weight for decision in decisions]
    assert weights[len(weights) - weights[::-1].index(0.0)] == 0.01


def test_a_canary_that_breaks_both_arms_is_left_to_a_person() -> None:
    _, decisions = Service(both=lambda _scrape, weight: 0.6 * weight).run()
    assert decisions[-1].phase == "inconclusive"
    assert decisions[-1].weight == 0
    assert "shared failure" in decisions[-1].reason
    assert [decision.phase for decision in decisions].count("aside") >= 8


def test_a_higher_level_of_both_arms_is_no_blame() -> None:
    for factor in (1, 5, 10):
        decision, _ = last(Service(errors=0.0005 * factor))
        assert decision.phase == "promoted"


def test_a_jump_of_both_arms_during_the_run_is_no_blame() -> None:
    decision, _ = last(Service(errors=0.0005, both=lambda scrape, _weight: 0.0045 if scrape >= 6 else 0))
    assert decision.phase == "promoted"


def test_a_canary_that_gets_no_requests_is_inconclusive() -> None:
    service = Service()
    decider = service.decider()
    for number in range(5):
        observation = service.scrape(number, 0.01)
        nothing = ArmSample(0, 0, (0, 0), {"pod-0": PodSample(0, 0)})
        decision = decider.observe(replace(observation, canary=nothing))
    assert decision.phase == "inconclusive"
    assert "less than half" in decision.reason


def test_a_canary_that_gets_three_times_its_share_is_inconclusive() -> None:
    service = Service()
    decider = service.decider()
    for number in range(40):
        decision = decider.observe(replace(service.scrape(number, 0.03), weight=decider.decision.weight))
        if ended(decision):
            break
    assert decision.phase == "inconclusive"
    assert "more than twice" in decision.reason


def test_a_canary_that_fails_alone_is_rolled_back() -> None:
    """Stable has no requests, as under header routes."""
    service = Service()
    decider = service.decider()
    for number in range(12):
        observation = replace(service.scrape(number, 0.5), weight=1.0, stable=ArmSample(0, 0, (0, 0), {}))
        pods = {f"pod-{i}": PodSample(100, 6) for i in range(5)}
        decision = decider.observe(replace(observation, canary=ArmSample(500, 30, (0, 0), pods)))
    assert decision.phase == "rolled_back"
    assert "stable has no requests" in decision.reason


def test_no_evidence_is_no_blame_and_no_step() -> None:
    """A service at night: no requests at all."""
    service = Service()
    decider = service.decider()
    nothing = ArmSample(0, 0, (0, 0), {})
    for number in range(100):
        decision = decider.observe(replace(service.scrape(number, 0.01), stable=nothing, canary=nothing))
    assert decision.phase == "progressing"
    assert decision.weight == 0.01
    decision = decider.observe(replace(service.scrape(119, 0.01), stable=nothing, canary=nothing))
    assert (decision.phase, decision.weight) == ("inconclusive", 0)
    assert "too long" in decision.reason


def test_three_minutes_without_data_hold_and_then_it_goes_on() -> None:
    service = Service()
    decider = service.decider()
    decider.observe(service.scrape(0, 0.01))
    phases = [decider.observe(None).phase for _ in range(12)]
    assert phases == ["progressing"] * 8 + ["holding"] * 4
    assert "no data" in decider.decision.reason
    for number in range(13, 60):
        if ended(decider.observe(service.scrape(number, decider.decision.weight))):
            break
    assert decider.decision.phase == "promoted"


def test_eleven_minutes_without_data_are_the_end_without_blame() -> None:
    decider = Service().decider()
    for _ in range(41):
        decision = decider.observe(None)
    assert (decision.phase, decision.weight) == ("inconclusive", 0)
    assert "no data" in decision.reason


@pytest.mark.parametrize(
    ("policy", "phase", "weight"),
    [
        ("retreat", "inconclusive", 0.0),
        ("hold", "inconclusive", 0.01),
        ("promote-if-nonblocking", "promoted", 1.0),
    ],
)
def test_a_step_that_takes_too_long_ends_as_the_policy_says(policy: str, phase: str, weight: float) -> None:
    settings = replace(SETTINGS, inconclusive=policy, step_timeout_s=60)  # type: ignore[arg-type]
    service = Service(settings=settings)
    decider = service.decider()
    for number in range(4):
        decision = decider.observe(replace(service.scrape(number, 0.01), whole_step=False))
    assert (decision.phase, decision.weight) == (phase, weight)


def test_scrapes_in_flight_count_against_the_canary_but_not_for_a_step() -> None:
    service = Service()
    decider = service.decider()
    for number in range(20):
        decision = decider.observe(replace(service.scrape(number, 0.01), whole_step=False))
    assert decision.weight == 0.01
    broken = Service(canary=lambda _scrape, _weight: 0.1)
    for number in range(20, 26):
        decision = decider.observe(replace(broken.scrape(number, 0.01), whole_step=False))
    assert decision.phase == "rolled_back"


def test_a_scrape_of_another_weight_belongs_to_an_earlier_step() -> None:
    service = Service()
    decider = service.decider()
    for number in range(3):
        decision = decider.observe(service.scrape(number, 0.01))
    assert decision.weight == 0.05
    for number in range(3, 20):
        assert decider.observe(service.scrape(number, 0.01)).weight == 0.05
    assert decider.observe(service.scrape(20, 0.05)).weight == 0.05


def test_the_first_weight_is_there_before_any_observation() -> None:
    decision = Service().decider().decision
    assert (decision.phase, decision.weight, decision.wealth) == ("progressing", 0.01, 1)
    assert decision.excess == (0.0, 1.0)
    assert decision.margin == 0.005
    assert decision.eta_s == 300


@pytest.mark.parametrize(
    ("rps", "weight", "margin"), [(2.0, 0.13, 0.015), (50.0, 0.01, 0.005), (500.0, 0.01, 0.005)]
)
def test_small_services_begin_higher_and_promise_less(rps: float, weight: float, margin: float) -> None:
    decision = Service(rps=rps).decider().decision
    assert (decision.weight, decision.margin) == (weight, margin)


def test_a_service_of_two_requests_a_second_is_promoted() -> None:
    decision, scrapes = last(Service(rps=2.0, seed=3))
    assert decision.phase == "promoted"
    assert scrapes * 15 / 60 < 30


@pytest.mark.parametrize("scrapes", [0, 100])
def test_without_an_hour_of_history_pods_and_blocks_are_judged(scrapes: int) -> None:
    settings = replace(SETTINGS, expected_rps=500.0)
    healthy, broken = Service(settings=settings), Service(settings=settings, canary=lambda _s, _w: 0.1)
    for service, phase in ((healthy, "promoted"), (broken, "rolled_back")):
        decider = Decider(settings, service.history(scrapes))
        for number in range(120):
            decision = decider.observe(service.scrape(number, decider.decision.weight))
            if ended(decision):
                break
        assert decision.phase == phase
        assert phase == "promoted" or "bad pods" in decision.reason or "clustered" in decision.reason


def test_no_latency_edges_are_no_latency_judged() -> None:
    settings = Settings(latency_edges_ms=(), expected_rps=100.0)
    decider = Decider(settings, [])
    for number in range(300):
        share = decider.decision.weight
        pods = [PodSample(150, 0)] * 10
        stable = ArmSample(1500, 0, (), {f"s{i}": pod for i, pod in enumerate(pods)})
        canary = ArmSample(round(1500 * share), 0, (), {"c": PodSample(round(1500 * share), 0)})
        decision = decider.observe(Observation(15.0 * number, share, True, stable, canary))
        assert Decider.loads(decider.dumps()).decision == decision
        if ended(decision):
            break
    assert decision.phase == "promoted"


def test_a_decision_that_ends_stays() -> None:
    service = Service(canary=lambda _scrape, _weight: 0.1)
    decider = service.decider()
    for number in range(12):
        decider.observe(service.scrape(number, 0.01))
    decision = decider.decision
    assert decision.phase == "rolled_back"
    assert decider.observe(service.scrape(20, 0.0)) == decision
    assert decider.observe(None) == decision


def test_the_interval_closes_around_the_excess() -> None:
    _, decisions = Service(canary=lambda _scrape, _weight: 0.03).run(30)
    low, high = decisions[-1].excess
    assert 0 < low <= 0.03 <= high
    _, decisions = Service().run()
    assert decisions[-1].excess[0] == 0
    assert decisions[-1].excess[1] <= 0.005


def test_the_time_left_falls_to_nothing() -> None:
    _, decisions = Service().run()
    left = [decision.eta_s for decision in decisions[:-1]]
    assert all(a is not None and b is not None and b <= a for a, b in pairwise(left))
    assert left[-1] is not None and left[-1] <= 60
    assert decisions[-1].eta_s is None


def test_explicit_steps_are_the_ladder() -> None:
    settings = replace(SETTINGS, steps=(0.2, 0.4))
    _, decisions = Service(settings=settings).run()
    assert sorted({decision.weight for decision in decisions}) == [0.2, 0.4, 1.0]
    assert not math.isnan(decisions[-1].wealth)


def renamed(observation: Observation, suffix: str) -> Observation:
    arms = (observation.stable, observation.canary)
    stable, canary = (
        replace(arm, pods={name + suffix: pod for name, pod in arm.pods.items()}) for arm in arms
    )
    return replace(observation, stable=stable, canary=canary)


def test_pods_replaced_in_every_scrape_change_nothing() -> None:
    observations, decisions = Service(seed=2).run()
    decider = Service(seed=2).decider()
    for number, observation in enumerate(observations):
        assert decider.observe(renamed(observation, f"-{number}")) == decisions[number]


def test_a_later_clock_changes_nothing() -> None:
    observations, decisions = Service(seed=2).run()
    decider = Service(seed=2).decider()
    for observation, decision in zip(observations, decisions, strict=True):
        assert decider.observe(replace(observation, at=observation.at + 1e9)) == decision


def test_pods_of_the_stable_version_that_fail_alone_are_no_blame() -> None:
    """A bad stable pod is nothing against the canary."""
    service = Service()
    decider = service.decider()
    for number in range(60):
        seen = service.scrape(number, decider.decision.weight)
        pods = dict(seen.stable.pods)
        pods["pod-0"] = replace(pods["pod-0"], errors=pods["pod-0"].requests // 20)
        errors = sum(pod.errors for pod in pods.values())
        decision = decider.observe(replace(seen, stable=replace(seen.stable, pods=pods, errors=errors)))
        if ended(decision):
            break
    assert decision.phase == "promoted"
