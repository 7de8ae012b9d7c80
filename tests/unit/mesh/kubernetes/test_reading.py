"""Objects of an API server as the mesh knows them."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.local.kubernetes import reading
from mesh.local.schema import judge

METADATA: dict[str, Any] = {"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "7"}


def test_what_a_server_adds_is_left_out() -> None:
    found = reading.resource(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**METADATA, "managedFields": [], "labels": {"a": "b"}},
            "data": {"k": "v"},
            "status": {},
        }
    )
    assert found.key == ("ConfigMap", "shop", "web")
    assert found.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}},
        "data": {"k": "v"},
    }


def deployment(revision: str, **container: object) -> dict[str, Any]:
    template = {
        "metadata": {
            "creationTimestamp": None,
            "labels": {"app": "web"},
            "annotations": {"proxy.istio.io/config": "x", "sidecar.istio.io/inject": "true"},
        },
        "spec": {
            "containers": [{"name": "web", "ports": [{"containerPort": 8080}], **container}],
            "serviceAccount": "web",
            "serviceAccountName": "web",
            "dnsPolicy": "ClusterFirst",
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**METADATA, "annotations": {"deployment.kubernetes.io/revision": revision}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, "strategy": {}},
    }


def test_a_deployment_says_which_pods_it_makes_and_nothing_else() -> None:
    first, second = (reading.resource(one) for one in (deployment("1"), deployment("2", env=[{"name": "A"}])))
    assert first.body == second.body
    assert not judge(first)
    template = first.body["spec"]["template"]
    assert template["metadata"] == {
        "labels": {"app": "web"},
        "annotations": {"sidecar.istio.io/inject": "true"},
    }
    assert template["spec"]["containers"][0]["ports"] == [{"containerPort": 8080}]


@pytest.mark.parametrize(
    ("owner", "workload"),
    [
        ({"kind": "ReplicaSet", "name": "web-v1-abc", "controller": True}, "web-v1"),
        ({"kind": "Job", "name": "migrate", "controller": True}, "migrate"),
        ({"kind": "StatefulSet", "name": "db", "controller": True}, "db"),
        (None, "web"),
    ],
)
def test_a_pod_is_of_what_made_it(owner: dict[str, Any] | None, workload: str) -> None:
    metadata = {**METADATA, "labels": {reading.HASH: "abc"}}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "web"}]}}
    assert reading.pod_manifest(pod).workload == workload


def test_a_pod_is_run_without_the_volume_of_its_account() -> None:
    volume, other = {"name": "kube-api-access-x7"}, {"name": "own"}
    mounts = [{"name": "kube-api-access-x7", "mountPath": "/var/run"}, {"name": "own", "mountPath": "/own"}]
    spec = {"containers": [{"name": "web", "volumeMounts": mounts}], "volumes": [volume, other]}
    found = reading.pod_manifest({"metadata": METADATA, "spec": spec}).spec
    assert found["volumes"] == [other]
    assert found["containers"][0]["volumeMounts"] == mounts[1:]


def test_a_pod_of_a_stateful_set_is_run_and_another_that_asks_for_more_is_refused() -> None:
    def refusal(**spec: object) -> str:
        body = {"metadata": METADATA, "spec": {"containers": [{"name": "web", "image": "web"}], **spec}}
        return reading.pod_manifest(body).refusal

    assert refusal(hostname="db-0", subdomain="db", activeDeadlineSeconds=5, serviceAccount="web") == ""
    assert "spec.hostNetwork" in refusal(hostNetwork=True)
