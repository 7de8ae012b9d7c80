"""What the API server is given."""

from __future__ import annotations

from typing import Any

from mesh.local import resources
from mesh.local.istiod import kinds
from mesh.local.istiod.objects import objects
from mesh.local.model import Config, Registry

TEXT = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, resourceVersion: "7" }
spec: { servers: [{ tls: { credentialName: edge } }] }
---
apiVersion: v1
kind: Secret
metadata: { name: edge }
---
apiVersion: v1
kind: Secret
metadata: { name: password }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: reviews, namespace: shop }
spec: {}
"""


def _objects() -> dict[kinds.Key, Any]:
    config = Config(resources.parse(TEXT, "a.yaml"))
    return {kinds.key(body): body for body in objects(config, Registry((), ()), [], {})}


def test_istios_objects_go_there_as_they_are_written() -> None:
    gateway = _objects()["Gateway", "default", "edge"]
    assert gateway["spec"] == {"servers": [{"tls": {"credentialName": "edge"}}]}
    assert gateway["metadata"] == {"name": "edge", "namespace": "default"}


def test_only_secrets_that_a_gateway_names_go_there() -> None:
    assert [name for kind, _, name in _objects() if kind == "Secret"] == ["edge"]


def test_every_namespace_is_made_and_no_workload() -> None:
    found = _objects()
    assert {name for kind, _, name in found if kind == "Namespace"} == {"default", "istio-system", "shop"}
    assert not [kind for kind, _, _ in found if kind in ("Deployment", "Service")]
    assert ("ConfigMap", "istio-system", "istio") in found
