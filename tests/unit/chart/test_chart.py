"""The chart: strict values, valid manifests, and the committed render that the local mesh runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart

KUBERNETES = "1.37"
Manifest = dict[str, Any]


def manifests(values: Manifest | None = None) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(chart.render(values)) if document]


def of_kind(kind: str, values: Manifest | None = None) -> list[Manifest]:
    return [manifest for manifest in manifests(values) if manifest["kind"] == kind]


def pod_templates(values: Manifest | None = None) -> Iterator[tuple[str, Manifest]]:
    for manifest in manifests(values):
        if manifest["kind"] in {"Deployment", "Job"}:
            yield manifest["metadata"]["name"], manifest["spec"]["template"]


def test_the_committed_render_is_current() -> None:
    assert chart.RENDERED.read_text() == chart.render_local(), "run `make render`"


@pytest.mark.parametrize("values", [None, chart.local_values()], ids=["defaults", "local"])
def test_every_manifest_is_valid_for_kubernetes(values: Manifest | None) -> None:
    rendered = manifests(values)
    assert len(rendered) > 15
    for manifest in rendered:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_misspelt_field_would_be_caught_by_that_validation() -> None:
    deployment = of_kind("Deployment")[0]
    deployment["spec"]["replcas"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"imagee": {}}, "imagee"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"services": {"links": {"versions": {"one": {"replicas": 1}}}}}, "one"),
        ({"services": {"links": {"versions": {"v1": {"replicas": -1}}}}}, "replicas"),
        ({"services": {"links": {"config": {"lower": "x"}}}}, "lower"),
        ({"services": {"links": {"secrets": {"x": {"url": "DATABASE_URL"}}}}}, "DATABASE_URL"),
        ({"services": {"links": {"extraPorts": {"admin": 81}}}}, "extraPorts"),
        ({"drainSeconds": "5"}, "drainSeconds"),
        ({"config": {"LOG_LEVEL": "loud"}}, "LOG_LEVEL"),
        ({"services": {"links": {"config": {"LOG_LEVEL": "loud"}}}}, "LOG_LEVEL"),
        ({"gateway": {"replicas": 0}}, "gateway/replicas"),
        ({"services": {"link": {"migrations": True}}}, "'link'\n.*one of 'users', 'links', 'social-graph'"),
        ({"secrets": {"names": {"link-database": "x"}}}, "no Secret link-database, only .*links-database"),
    ],
)
def test_wrong_values_are_refused(values: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render(values)


def test_every_container_of_a_service_is_locked_down() -> None:
    for name, template in pod_templates():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"], name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"], name
            assert not context["allowPrivilegeEscalation"], name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"]["cpu"], name


def test_no_secret_stands_in_a_manifest() -> None:
    assert not of_kind("Secret")
    for name, template in pod_templates():
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                words = ("PASSWORD", "SECRET", "TOKEN", "KEY", "DATABASE_URL")
                secret = any(word in variable["name"] for word in words)
                assert not secret or variable["name"].endswith("_FILE"), (name, variable)


def test_every_selector_finds_pods_and_every_target_port_is_declared() -> None:
    templates = [template for _, template in pod_templates()]
    for service in of_kind("Service"):
        selector = service["spec"]["selector"].items()
        chosen = [t for t in templates if selector <= t["metadata"]["labels"].items()]
        assert chosen, service["metadata"]["name"]
        for template in chosen:
            ports = [port for container in template["spec"]["containers"] for port in container["ports"]]
            declared = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= declared


def test_a_version_of_its_own_settings_and_image_gets_them() -> None:
    version = {"replicas": 1, "tag": "2.0.0", "config": {"SEARCH_RANK": "bm25"}}
    values = {"services": {"links": {"versions": {"v2": version}}}}
    links = {d["metadata"]["name"]: d for d in of_kind("Deployment", values)}
    container = links["links-v2"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith(":2.0.0")
    assert {"name": "SEARCH_RANK", "value": "bm25"} in container["env"]
    other = links["links-v1"]["spec"]["template"]["spec"]["containers"][0]
    assert "SEARCH_RANK" not in [variable["name"] for variable in other["env"]]


def test_the_gateway_can_be_left_to_an_existing_one() -> None:
    names = [m["metadata"]["name"] for m in manifests({"gateway": {"enabled": False}})]
    assert "ingressgateway" not in names


def test_a_sidecar_stays_for_the_requests_of_its_process_but_not_beyond_the_grace_period() -> None:
    for deployment in of_kind("Deployment"):
        template = deployment["spec"]["template"]
        name, annotations = deployment["metadata"]["name"], template["metadata"]["annotations"]
        proxy = yaml.safe_load(annotations["proxy.istio.io/config"])["proxyMetadata"]
        assert proxy["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"] == "true", name
        first = int(proxy.get("MINIMUM_DRAIN_DURATION", "5s").removesuffix("s"))
        assert first < template["spec"]["terminationGracePeriodSeconds"], name


def test_no_change_and_no_emptied_node_takes_the_last_pods() -> None:
    budgets = {each["metadata"]["name"]: each["spec"] for each in of_kind("PodDisruptionBudget")}
    for deployment in of_kind("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        name = labels.get("app") or labels["istio"]
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, name
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["selector"]["matchLabels"].items() <= labels.items(), name
    assert of_kind("PodDisruptionBudget", chart.local_values()) == []
