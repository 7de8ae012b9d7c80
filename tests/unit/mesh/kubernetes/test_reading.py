"""Objects of an API server as the mesh knows them."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.local.kubernetes import reading

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


def test_a_deployment_says_the_same_when_its_controller_has_noted_something() -> None:
    def deployment(revision: str) -> dict[str, Any]:
        template = {
            "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web"}], "serviceAccount": "web", "serviceAccountName": "web"},
        }
        annotations = {reading.REVISION: revision, "kept": "yes"}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**METADATA, "annotations": annotations},
            "spec": {"template": template},
        }

    first, second = (reading.resource(deployment(revision)).body for revision in "12")
    assert first == second
    assert first["metadata"]["annotations"] == {"kept": "yes"}
    assert "serviceAccount" not in first["spec"]["template"]["spec"]


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
