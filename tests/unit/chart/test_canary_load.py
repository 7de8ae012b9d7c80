"""Traffic for a rollout: no pods until they are wanted, from outside of the mesh, to one's own server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart

Manifest = dict[str, Any]
KUBERNETES = "1.37"
HOST = "https://delinkcious.example"


def ours(values: Manifest | None) -> dict[str, Manifest]:
    """By kind."""
    documents = yaml.safe_load_all(chart.render(values))
    return {each["kind"]: each for each in documents if each and each["metadata"]["name"] == "canary-load"}


def on(host: str = HOST) -> dict[str, Manifest]:
    return ours({"canaryLoad": {"enabled": True, "host": host}})


def container(made: dict[str, Manifest]) -> Manifest:
    [found] = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_nothing_of_it_is_there_unless_it_is_wanted() -> None:
    assert ours(None) == {}


@pytest.mark.slow
def test_every_manifest_is_valid_for_kubernetes() -> None:
    made = on()
    assert set(made) == {"ServiceAccount", "Deployment", "NetworkPolicy"}
    for manifest in made.values():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("made", [on(), ours(chart.local_values())], ids=["cluster", "local"])
def test_it_has_no_pods_and_they_would_have_no_rights(made: dict[str, Manifest]) -> None:
    deployment = made["Deployment"]
    assert deployment["metadata"]["namespace"] == chart.NAMESPACE
    assert deployment["spec"]["replicas"] == 0
    template = deployment["spec"]["template"]
    assert template["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    pod = template["spec"]
    assert pod["serviceAccountName"] == made["ServiceAccount"]["metadata"]["name"]
    assert (
        pod["automountServiceAccountToken"] is made["ServiceAccount"]["automountServiceAccountToken"] is False
    )
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container(made)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(made)["resources"]["limits"]["memory"]


def test_its_secret_is_a_file_and_its_host_is_said_to_be_owned() -> None:
    arguments = container(on())["args"]
    assert {f"--host={HOST}", "--i-own-this-host"} <= set(arguments)
    [folder] = [each.removeprefix("--secret=") for each in arguments if each.startswith("--secret=")]
    assert folder in [mount["mountPath"] for mount in container(on())["volumeMounts"]]
    local = container(ours(chart.local_values()))["args"]
    assert not [each for each in local if each.startswith(("--host", "--i-own"))]


@pytest.mark.parametrize(
    ("host", "port"),
    [
        (HOST, 443),
        ("http://delinkcious.example", 80),
        ("https://[2001:db8::1]:8443", 8443),
        (f"{HOST}:444", 444),
    ],
)
def test_it_reaches_names_and_the_edge_and_is_reached_by_nobody(host: str, port: int) -> None:
    policy = on(host)["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    anywhere, gateway = policy["egress"]
    assert [each["port"] for each in anywhere["ports"]] == [53, 53, port]
    assert gateway["to"][0]["podSelector"] == {"matchLabels": {"istio": "ingressgateway"}}


def test_the_controller_may_change_its_size() -> None:
    values = {"canary": {"enabled": True}, "canaryLoad": {"enabled": True, "host": HOST}}
    documents = [each for each in yaml.safe_load_all(chart.render(values)) if each]
    [role] = [
        each
        for each in documents
        if (each["kind"], each["metadata"]["name"]) == ("Role", "delinkcious-canary")
    ]
    assert role["metadata"]["namespace"] == on()["Deployment"]["metadata"]["namespace"]
    [scaling] = [rule for rule in role["rules"] if "deployments/scale" in rule["resources"]]
    assert scaling == {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}


def test_its_program_is_one_of_this_repository(repository: Path) -> None:
    *python, module = container(on())["command"]
    assert python == ["python", "-m"]
    assert (repository / module.replace(".", "/")).with_suffix(".py").is_file()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"enabled": True}, "which server of yours"),
        ({"enabled": True, "host": "delinkcious.example"}, "host"),
        ({"enabled": True, "host": HOST, "rps": 10_000}, "rps"),
        ({"enabled": True, "host": HOST, "accounts": 0}, "accounts"),
        ({"replicas": 1}, "replicas"),
    ],
)
def test_wrong_values_are_refused(values: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render({"canaryLoad": values})
