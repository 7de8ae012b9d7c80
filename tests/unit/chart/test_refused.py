"""Values that could only end in a broken installation are refused, each with a sentence."""

from __future__ import annotations

from typing import Any

import helm_python
import pytest
import yaml

from delinkcious import chart

Manifest = dict[str, Any]
SERVICE = {"versions": {"v1": {"replicas": 1}}, "resources": {"requests": {}, "limits": {}}}


def test_a_pod_that_ends_before_its_requests_may_is_refused() -> None:
    with pytest.raises(helm_python.HelmError, match=r"terminationGracePeriodSeconds: .* 64,"):
        chart.render({"drainSeconds": 60, "terminationGracePeriodSeconds": 64})
    assert chart.render({"drainSeconds": 60, "terminationGracePeriodSeconds": 65})


def takes(values: Manifest) -> bool:
    try:
        chart.render(values)
    except helm_python.HelmError as error:
        assert "schema" in str(error)
        return False
    return True


@pytest.mark.parametrize("name", ["a-", "null", "on", "y", "gateway", "everyone"])
def test_a_service_has_a_name_that_yaml_and_kubernetes_take_as_one(name: str) -> None:
    assert not takes({"services": {name: SERVICE}})


@pytest.mark.parametrize("port", ["http", "http-metrics", "grpc-", "tcp--a", "http-a-long-name"])
def test_a_port_has_a_name_of_its_own_that_kubernetes_takes(port: str) -> None:
    assert not takes({"services": {"links": {"extraPorts": {port: 8090}}}})


def test_a_port_is_not_one_that_every_service_has() -> None:
    assert not takes({"services": {"links": {"extraPorts": {"http-repair": 9090}}}})


@pytest.mark.parametrize("name", ["../x", "a.b", "-a", "12", "1e5", "null", "tmp"])
def test_a_secret_has_a_name_that_a_volume_may_have(name: str) -> None:
    assert not takes({"services": {"links": {"secrets": {name: {"key": "KEY_FILE"}}}}})


@pytest.mark.parametrize("key", [".", "..", "..a"])
def test_a_key_of_a_secret_is_no_way_out_of_its_folder(key: str) -> None:
    assert not takes({"services": {"links": {"secrets": {"mine": {key: "KEY_FILE"}}}}})


def test_names_that_are_right_are_taken() -> None:
    secrets = {"1password-links": {"url.txt": "KEY_FILE"}}
    extra = {"extraPorts": {"http-repair": 8090}, "secrets": secrets}
    assert takes({"services": {"links": extra}})


def test_an_annotation_of_the_chart_stands_once_and_as_the_chart_says() -> None:
    own = {"checksum/config": "mine", "delinkcious.io/preload": "mine", "example.org/team": "mine"}
    text = chart.render({"podAnnotations": own})
    documents = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "Deployment"]
    services = [each for each in documents if each["metadata"]["name"].endswith("-v1")]
    assert services
    for each in services:
        annotations = each["spec"]["template"]["metadata"]["annotations"]
        assert [name for name in own if annotations[name] == "mine"] == ["example.org/team"]
    assert "checksum/config: mine" not in text
