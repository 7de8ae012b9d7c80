"""Load from a cluster: a master and its workers, only where somebody names a server of theirs."""

from __future__ import annotations

from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart

Manifest = dict[str, Any]
KUBERNETES = "1.37"
HOST = "https://delinkcious.example"
ON: Manifest = {"loadtest": {"enabled": True, "host": HOST, "workers": 3}}


def ours(values: Manifest | None) -> list[Manifest]:
    documents = yaml.safe_load_all(chart.render(values))
    return [document for document in documents if document and "load" in document["metadata"]["name"]]


def deployment(name: str) -> Manifest:
    return next(
        each for each in ours(ON) if each["kind"] == "Deployment" and each["metadata"]["name"] == name
    )


def test_nothing_of_it_is_there_unless_it_is_wanted() -> None:
    assert ours(None) == []


@pytest.mark.slow
def test_every_manifest_is_valid_for_kubernetes() -> None:
    for manifest in ours(ON):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_it_stands_outside_of_the_mesh_without_rights() -> None:
    [namespace] = [each for each in ours(ON) if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["istio-injection"] == "disabled"
    for name in ("load-master", "load-worker"):
        pod = deployment(name)["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert "limits" in container["resources"]


def test_workers_send_to_the_same_server_and_find_their_master() -> None:
    master, worker = (deployment(name)["spec"] for name in ("load-master", "load-worker"))
    arguments = [each["template"]["spec"]["containers"][0]["args"] for each in (master, worker)]
    assert all(f"--host={HOST}" in each for each in arguments)
    assert (master["replicas"], worker["replicas"]) == (1, 3)
    assert "--expect-workers=3" in arguments[0]
    [service] = [each for each in ours(ON) if each["kind"] == "Service"]
    assert f"--master-host={service['metadata']['name']}" in arguments[1]
    assert service["spec"]["type"] == "ClusterIP"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"loadtest": {"enabled": True}}, "which server of yours"),
        ({"loadtest": {"enabled": True, "host": "delinkcious.example"}}, "host"),
        ({"loadtest": {"enabled": True, "host": HOST, "shape": "wild"}}, "shape"),
        ({"loadtest": {"enabled": True, "host": HOST, "workers": 1_000}}, "workers"),
        ({"loadtest": {"users": 5}}, "users"),
    ],
)
def test_wrong_values_are_refused(values: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render(values)
