"""What is not a scrape, and what are no settings."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mesh.canary.decision import ArmSample, Decider, Observation, PodSample, Settings
from tests.unit.mesh.canary.service import SETTINGS, Service

ARM = ArmSample(10, 0, (1, 0), {})


@pytest.mark.parametrize(
    ("requests", "errors", "words"),
    [(-1, 0, "negative"), (1, -1, "negative"), (1, 2, "more errors"), (1.0, 0, "whole"), (True, 0, "whole")],
)
def test_counts_are_whole_and_errors_no_more_than_requests(requests: Any, errors: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PodSample(requests, errors)
    with pytest.raises(ValueError, match=words):
        ArmSample(requests, errors)


@pytest.mark.parametrize("slow", [(11, 0), (-1, 0), (math.nan, 0)])
def test_slow_requests_are_requests(slow: Any) -> None:
    with pytest.raises(ValueError, match="slow"):
        ArmSample(10, 0, slow)


@pytest.mark.parametrize(
    ("at", "weight", "words"),
    [
        (math.nan, 0.1, "at"),
        (math.inf, 0.1, "at"),
        (1, -0.1, "weight"),
        (1, 1.1, "weight"),
        (1, math.nan, "weight"),
    ],
)
def test_an_observation_has_a_time_and_a_share(at: float, weight: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Observation(at, weight, True, ARM, ARM)


def test_time_does_not_go_back() -> None:
    decider = Service().decider()
    decider.observe(Observation(100, 0.01, True, ARM, ARM))
    with pytest.raises(ValueError, match="went back from 100"):
        decider.observe(Observation(99, 0.01, True, ARM, ARM))


@pytest.mark.parametrize("slow", [(), (1,), (3, 2, 1)])
def test_slow_has_a_count_for_every_edge(slow: tuple[int, ...]) -> None:
    wrong = ArmSample(10, 0, slow, {})
    with pytest.raises(ValueError, match="2 latency edges"):
        Service().decider().observe(Observation(1, 0.01, True, wrong, ARM))
    with pytest.raises(ValueError, match="2 latency edges"):
        Decider(SETTINGS, [wrong])


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha_rollback": 0.0},
        {"alpha_promote": 1.0},
        {"alpha_promote": math.nan},
        {"slo_error_rate": -0.1},
        {"scrape_s": 0.0},
        {"expected_rps": 0.0},
        {"max_pods": 0},
        {"steps": ()},
        {"steps": (0.1, 0.1)},
        {"steps": (0.1, 1.0)},
        {"latency_edges_ms": (100.0, 50.0)},
        {"latency_edges_ms": tuple(float(edge) for edge in range(1, 40))},
        {"inconclusive": "promote"},
        {"request_dispersion": 0.5},
        {"tail_dispersion": math.inf},
        {"step_timeout_s": math.nan},
        {"run_timeout_s": -1.0},
        {"min_history_s": -1.0},
        {"latency_gate": -1.0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        Settings(**wrong)


def test_without_history_the_traffic_has_to_be_said() -> None:
    with pytest.raises(ValueError, match="expected_rps"):
        Decider(SETTINGS, [])
    assert Decider(Settings(expected_rps=5.0), []).decision.weight == 0.05


@pytest.mark.parametrize("text", ["{}", "[]", '{"version": 0}', '{"version": 1}', "nothing"])
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Decider.loads(text)
