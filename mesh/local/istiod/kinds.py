"""Under which names the API server knows the kinds that it is given."""

from __future__ import annotations

from mesh.local.model import Json, Resource

Key = tuple[str, str, str]  # kind, namespace, name

READ_ONLY = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")
NETWORKING = "networking.istio.io"
ISTIO = {
    NETWORKING: {
        "VirtualService": "virtualservices",
        "DestinationRule": "destinationrules",
        "Gateway": "gateways",
        "ServiceEntry": "serviceentries",
        "Sidecar": "sidecars",
        "WorkloadEntry": "workloadentries",
        "WorkloadGroup": "workloadgroups",
        "EnvoyFilter": "envoyfilters",
        "ProxyConfig": "proxyconfigs",
    },
    "security.istio.io": {
        "PeerAuthentication": "peerauthentications",
        "RequestAuthentication": "requestauthentications",
        "AuthorizationPolicy": "authorizationpolicies",
    },
    "telemetry.istio.io": {"Telemetry": "telemetries"},
}
OTHERS = {
    "Namespace": "namespaces",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}


def is_istio(resource: Resource) -> bool:
    """Is it istiod that judges it and acts on it?"""
    return resource.kind in ISTIO.get(resource.api_version.partition("/")[0], {})


def written(resource: Resource) -> Json:
    """What somebody wrote, in its namespace, but for what they have read of the object before."""
    metadata = {name: value for name, value in resource.body["metadata"].items() if name not in READ_ONLY}
    if resource.namespace:
        metadata["namespace"] = resource.namespace
    others = {name: value for name, value in resource.body.items() if name != "status"}
    return {**others, "metadata": metadata}


def key(body: Json) -> Key:
    metadata = body["metadata"]
    return body["kind"], metadata.get("namespace") or "", metadata["name"]


def path(body: Json) -> str:
    """The address of an object in the API."""
    group, _, version = body["apiVersion"].rpartition("/")
    kind, namespace, name = key(body)
    plural = ISTIO.get(group, OTHERS)[kind]
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{plural}/{name}" if namespace else f"{root}/{plural}/{name}"
