"""Who a workload is in metrics and spans: Istio's names for it, from the labels of its pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mesh.local.model import CLUSTER_ID, Endpoint, Json, Proxy

UNKNOWN = "unknown"
LATEST = "latest"
PEER = "istio.peer"  # metadata of endpoints, one field per label of the peer


@dataclass(frozen=True)
class Identity:
    """`canonical_service` and `canonical_revision` as Istio's injector finds them."""

    workload: str
    namespace: str
    app: str
    version: str
    canonical_service: str
    canonical_revision: str
    cluster: str = CLUSTER_ID


def identity(workload: str, namespace: str, labels: Mapping[str, str]) -> Identity:
    return Identity(
        workload=workload or UNKNOWN,
        namespace=namespace,
        app=labels.get("app") or UNKNOWN,
        version=labels.get("version") or UNKNOWN,
        canonical_service=labels.get("service.istio.io/canonical-name")
        or labels.get("app.kubernetes.io/name")
        or labels.get("app")
        or workload
        or UNKNOWN,
        canonical_revision=labels.get("service.istio.io/canonical-revision")
        or labels.get("app.kubernetes.io/version")
        or labels.get("version")
        or LATEST,
    )


def of_proxy(proxy: Proxy) -> Identity:
    return identity(proxy.workload, proxy.namespace, proxy.labels)


def endpoint_metadata(endpoint: Endpoint) -> Json:
    """What a client's proxy knows of a pod: Istio's one text, and its parts, which metrics can read."""
    who = identity(endpoint.workload, endpoint.namespace, endpoint.labels)
    text = ";".join((who.workload, who.namespace, who.canonical_service, who.canonical_revision, who.cluster))
    return {"istio": {"workload": text}, PEER: asdict(who)}
