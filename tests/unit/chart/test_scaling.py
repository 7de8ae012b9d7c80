"""How many pods, and where: autoscalers count where they are asked to, and nothing else counts there."""

from __future__ import annotations

from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart

Manifest = dict[str, Any]
ON = {"autoscaling": {"enabled": True, "requestsPerSecond": 20}}


def of_kind(kind: str, values: Manifest | None = None) -> dict[str, Manifest]:
    documents = [document for document in yaml.safe_load_all(chart.render(values)) if document]
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


def test_where_an_autoscaler_counts_the_deployment_does_not() -> None:
    scalers, deployments = of_kind("HorizontalPodAutoscaler", ON), of_kind("Deployment", ON)
    assert "links-v1" in scalers and "links-v2" not in scalers
    for name, scaler in scalers.items():
        kubernetes_validate.validate(scaler, "1.37", strict=True)
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in deployments[name]["spec"]
        (container,) = deployments[name]["spec"]["template"]["spec"]["containers"]
        assert scaler["spec"]["metrics"][0]["containerResource"]["container"] == container["name"]
    assert deployments["links-v2"]["spec"]["replicas"] == 0
    assert deployments["ingressgateway"]["spec"]["replicas"] == 2


def test_a_service_may_scale_otherwise_than_the_others() -> None:
    values = {
        **ON,
        "services": {
            "web": {"autoscaling": {"maxReplicas": 30}},
            "news": {"autoscaling": {"enabled": False}},
        },
    }
    scalers = of_kind("HorizontalPodAutoscaler", values)
    assert scalers["web-v1"]["spec"]["maxReplicas"] == 30
    assert scalers["users-v1"]["spec"]["maxReplicas"] == 10
    assert "news-v1" not in scalers
    assert of_kind("Deployment", values)["news-v1"]["spec"]["replicas"] == 2


def test_a_service_that_has_more_pods_than_its_autoscaler_may_is_refused() -> None:
    values = {"services": {"web": {"autoscaling": {"maxReplicas": 1}}}}
    assert of_kind("Deployment", values)["web-v1"]["spec"]["replicas"] == 2
    with pytest.raises(helm_python.HelmError, match=r"services\.web\.versions\.v1\.replicas.*maxReplicas, 1"):
        chart.render({**ON, **values})


def test_an_autoscaler_that_would_look_at_nothing_is_refused() -> None:
    """The API server would give it a metric of its own."""
    values = {"enabled": True, "cpuPercent": 0, "requestsPerSecond": 0}
    with pytest.raises(helm_python.HelmError, match="needs cpuPercent or requestsPerSecond"):
        chart.render({"services": {"web": {"autoscaling": values}}})


def test_the_metric_of_requests_is_the_one_that_the_adapter_is_told_to_serve() -> None:
    (rule,) = yaml.safe_load((chart.CHART / "files" / "prometheus-adapter.yaml").read_text())["rules"][
        "custom"
    ]
    metrics = of_kind("HorizontalPodAutoscaler", ON)["links-v1"]["spec"]["metrics"]
    assert metrics[1]["pods"]["metric"]["name"] == rule["name"]["as"]
    assert rule["seriesQuery"].startswith("http_server_request_duration_seconds_count{")


def test_pods_of_a_version_stand_apart_and_those_that_are_replaced_do_not_count() -> None:
    for name in ("links-v1", "ingressgateway"):
        pod = of_kind("Deployment")[name]["spec"]["template"]
        zones, nodes = pod["spec"]["topologySpreadConstraints"]
        assert (zones["topologyKey"], nodes["topologyKey"]) == (
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        )
        for constraint in (zones, nodes):
            assert constraint["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            assert constraint["matchLabelKeys"] == ["pod-template-hash"]


def test_a_priority_class_is_named_and_made_when_asked() -> None:
    assert not of_kind("PriorityClass")
    values = {"scheduling": {"priorityClassName": "people", "priorityClass": {"create": True}}}
    assert of_kind("PriorityClass", values)["people"]["value"] == 100_000
    assert (
        of_kind("Deployment", values)["web-v1"]["spec"]["template"]["spec"]["priorityClassName"] == "people"
    )
    with pytest.raises(helm_python.HelmError, match="priorityClassName"):
        chart.render({"scheduling": {"priorityClass": {"create": True}}})


def checksum(values: Manifest) -> str:
    template = of_kind("Deployment", values)["links-v1"]["spec"]["template"]
    return str(template["metadata"]["annotations"]["checksum/config"])


def test_settings_restart_pods_but_for_the_level_of_logs_which_is_followed() -> None:
    assert checksum({"config": {"LOG_LEVEL": "debug"}}) == checksum({})
    assert checksum({"config": {"AUDIENCE": "others"}}) != checksum({})
    assert checksum({"services": {"links": {"config": {"MAX_EXPORTS": 5}}}}) != checksum({})


def test_every_port_of_every_service_says_what_it_speaks() -> None:
    for name, service in of_kind(
        "Service", {"canary": {"enabled": True}, "jaeger": {"enabled": True}}
    ).items():
        for port in service["spec"]["ports"]:
            spoken = (
                "grpc" if port["name"] == "otlp-grpc" else port["name"].removeprefix("otlp-").split("-")[0]
            )
            assert port["appProtocol"] == spoken, (name, port)
