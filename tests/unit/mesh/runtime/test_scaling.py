"""How many pods an autoscaler wants: Kubernetes' documented formula, its windows and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mesh.local.model import Json
from mesh.local.runtime.autoscaler import requests
from mesh.local.runtime.scaling import History, Use, Verdict, decide


def _spec(percent: int = 50, most: int = 10, **more: Any) -> Json:
    target = {"type": "Utilization", "averageUtilization": percent}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {"maxReplicas": most, "metrics": metrics, **more}


def _pods(*used: float | None, ready: bool = True, requested: float | None = 1.0) -> list[Use]:
    missing = "app" if requested is None else ""
    return [Use(f"p-{index}", ready, each, requested, missing) for index, each in enumerate(used)]


def _decide(spec: Json, uses: Sequence[Use], history: History | None = None, now: float = 0.0) -> Verdict:
    return decide(spec, len(uses), lambda _: uses, history or History(), now)


@pytest.mark.parametrize(
    ("used", "wanted"),
    [
        ([1.0, 1.0], 4),  # 100 % of 50 %: twice as many
        ([0.6, 0.6], 3),  # ceil(2 * 1.2)
        ([0.55, 0.55], 2),  # a tenth more is within the tolerance
        ([0.45, 0.45], 2),
        ([0.5, 0.5], 2),
    ],
)
def test_the_number_of_pods_follows_the_ratio(used: list[float], wanted: int) -> None:
    verdict = _decide(_spec(), _pods(*used))
    assert (verdict.replicas, verdict.trouble) == (wanted, "")


def test_it_says_how_it_is_and_should_be() -> None:
    assert _decide(_spec(), _pods(0.3, 0.5)).metrics == ("cpu: 40%/50%",)


def test_fewer_are_wanted_only_after_the_window_in_which_more_were() -> None:
    history = History()
    assert _decide(_spec(), _pods(0.5, 0.5, 0.5, 0.5), history, 0).replicas == 4
    assert _decide(_spec(), _pods(0.1, 0.1, 0.1, 0.1), history, 200).replicas == 4
    assert _decide(_spec(), _pods(0.1, 0.1, 0.1, 0.1), history, 301).replicas == 1


def test_a_window_for_more_waits_for_all_that_was_said_in_it() -> None:
    spec = _spec(behavior={"scaleUp": {"stabilizationWindowSeconds": 60}})
    history = History()
    _decide(spec, _pods(0.5), history, 0)
    assert _decide(spec, _pods(1.0), history, 30).replicas == 1
    assert _decide(spec, _pods(1.0), history, 61).replicas == 2


def test_it_grows_by_no_more_than_four_or_double_in_15_seconds() -> None:
    assert _decide(_spec(1, 100), _pods(1.0)).replicas == 5
    assert _decide(_spec(1, 100), _pods(*[1.0] * 6)).replicas == 12


def test_what_was_done_in_the_period_counts() -> None:
    rules = {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}
    spec, history = _spec(1, 100, behavior={"scaleUp": rules}), History()
    assert _decide(spec, _pods(1.0), history, 0).replicas == 3
    assert _decide(spec, _pods(1.0, 1.0, 1.0), history, 30).replicas == 3
    assert _decide(spec, _pods(1.0, 1.0, 1.0), history, 61).replicas == 5


def test_a_direction_can_be_forbidden_or_slowed() -> None:
    never = _spec(behavior={"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}})
    assert _decide(never, _pods(0.0, 0.0, 0.0)).replicas == 3
    policies = [{"type": "Percent", "value": 50, "periodSeconds": 15}]
    slow = _spec(behavior={"scaleDown": {"policies": policies, "stabilizationWindowSeconds": 0}})
    assert _decide(slow, _pods(0.0, 0.0, 0.0, 0.0)).replicas == 2


def test_the_bounds_hold_whatever_is_measured() -> None:
    assert _decide(_spec(most=3), _pods(1.0, 1.0)).replicas == 3
    assert _decide(_spec(minReplicas=2), _pods(None)).replicas == 2
    assert _decide(_spec(most=1), _pods(0.5, 0.5)).replicas == 1


def test_none_is_left_alone() -> None:
    assert _decide(_spec(), []) == Verdict(
        0, trouble="scaling is disabled since the replica count of the target is zero"
    )


def test_a_container_without_a_request_is_named_as_kubernetes_names_it() -> None:
    verdict = _decide(_spec(), _pods(1.0, requested=None))
    assert verdict.replicas == 1
    assert verdict.trouble == (
        "failed to get cpu utilization: missing request for cpu in container app of Pod p-0"
    )
    assert verdict.metrics == ("cpu: <unknown>/50%",)


def test_pods_that_are_not_known_yet_dampen_a_change() -> None:
    unready = _pods(None, ready=False)
    assert _decide(_spec(), [*_pods(1.0, 1.0), *unready]).replicas == 4  # 2 of 3 pods, counted as idle
    assert _decide(_spec(), [*_pods(0.75), *unready]).replicas == 2  # the third of an idle one ends it
    calm = _spec(behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    assert _decide(calm, [*_pods(0.1), *_pods(None)]).replicas == 2  # counted as busy as they may be


def test_a_plain_value_is_an_average_over_the_pods() -> None:
    target = {"type": "AverageValue", "averageValue": "250m"}
    spec = _spec(metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    verdict = _decide(spec, _pods(0.5, 0.5, requested=None))
    assert (verdict.replicas, verdict.metrics) == (4, ("cpu: 500m/250m",))


def test_of_several_metrics_the_most_pods_win_and_one_that_fails_forbids_fewer() -> None:
    cpu = _spec()["metrics"][0]
    memory = {"type": "Resource", "resource": {**cpu["resource"], "name": "memory"}}
    spec = _spec(metrics=[cpu, memory], behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    uses = {"cpu": _pods(0.1, 0.1), "memory": _pods(1.0, 1.0)}
    assert decide(spec, 2, lambda name: uses[name], History(), 0).replicas == 4
    uses["memory"] = _pods(1.0, 1.0, requested=None)
    assert decide(spec, 2, lambda name: uses[name], History(), 0).replicas == 2


def test_a_request_that_is_not_written_is_the_limit() -> None:
    containers = [
        {"name": "a", "resources": {"requests": {"cpu": "250m"}}},
        {"name": "b", "resources": {"requests": {"memory": "1Gi"}, "limits": {"cpu": 1}}},
    ]
    assert requests(containers, "cpu") == (1.25, "")
    assert requests([*containers, {"name": "c"}], "cpu") == (None, "c")
