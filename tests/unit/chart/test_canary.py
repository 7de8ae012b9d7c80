"""The controller of rollouts in a cluster: off by default, locked down, with the rights that it uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart
from mesh.canary.kubernetes import kinds

Manifest = dict[str, Any]
KUBERNETES = "1.37"
ON: Manifest = {"canary": {"enabled": True}}


def ours(values: Manifest | None) -> dict[str, Manifest]:
    """By kind."""
    documents = yaml.safe_load_all(chart.render(values))
    return {
        document["kind"]: document
        for document in documents
        if document and document["metadata"].get("labels", {}).get("app") == "canary"
    }


def test_nothing_of_it_is_there_unless_it_is_wanted() -> None:
    assert ours(None) == {}
    assert ours(chart.local_values()) == {}


@pytest.mark.slow
def test_every_manifest_is_valid_for_kubernetes() -> None:
    for manifest in ours(ON).values():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_its_pod_may_write_to_its_volume_only() -> None:
    spec = ours(ON)["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "limits" in container["resources"]
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    [runs] = [one.removeprefix("--runs=") for one in container["args"] if one.startswith("--runs=")]
    volumes = {one["name"]: one for one in pod["volumes"]}
    claim = volumes[mounts[str(Path(runs).parent)]]["persistentVolumeClaim"]["claimName"]
    assert claim == ours(ON)["PersistentVolumeClaim"]["metadata"]["name"]


def test_its_rights_end_at_its_namespace_and_name_every_resource() -> None:
    made = ours(ON)
    assert "ClusterRole" not in made
    assert made["RoleBinding"]["roleRef"]["name"] == made["Role"]["metadata"]["name"]
    for rule in made["Role"]["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "delete" not in rule["verbs"]
        assert "secrets" not in rule["resources"]


def test_its_rights_are_those_of_the_kinds_that_it_asks_for() -> None:
    asked = {kinds.told(each) for each in vars(kinds).values() if hasattr(each, "_api_info")}
    named = {name for rule in ours(ON)["Role"]["rules"] for name in rule["resources"]}
    assert named == asked


def test_nobody_reads_journals_but_who_is_named() -> None:
    assert ours(ON)["NetworkPolicy"]["spec"]["ingress"] == []
    peer = {"ipBlock": {"cidr": "10.0.0.1/32"}}
    values = {"canary": {"enabled": True, "readers": [peer]}}
    [rule] = ours(values)["NetworkPolicy"]["spec"]["ingress"]
    assert rule["from"] == [peer]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"canary": {"enabeld": True}}, "enabeld"),
        ({"canary": {"prometheusUrl": "prometheus:9090"}}, "prometheusUrl"),
        ({"canary": {"volumeSize": "lots"}}, "volumeSize"),
        ({"canary": {"readers": ["10.0.0.1"]}}, "readers"),
    ],
)
def test_wrong_values_are_refused(values: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render(values)
