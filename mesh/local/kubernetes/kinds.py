"""Kinds of a Kubernetes API as whole objects: a field that a newer server adds is kept, not dropped."""

from __future__ import annotations

from lightkube.core.resource import (
    ApiInfo,
    GlobalSubResource,
    NamespacedResource,
    NamespacedSubResource,
    ResourceDef,
)
from lightkube.generic_resource import (
    Generic,
    GenericGlobalResource,
    GenericNamespacedResource,
    create_api_info,
)

Namespaced = type[GenericNamespacedResource]
Global = type[GenericGlobalResource]
Kind = Namespaced | Global | type[NamespacedSubResource] | type[GlobalSubResource]


def namespaced(group: str, version: str, kind: str, plural: str) -> Namespaced:
    information = {"_api_info": create_api_info(group, version, kind, plural)}
    return type(kind, (GenericNamespacedResource,), information)


def everywhere(group: str, version: str, kind: str, plural: str) -> Global:
    information = {"_api_info": create_api_info(group, version, kind, plural)}
    return type(kind, (GenericGlobalResource,), information)


def part(parent: Namespaced | Global, action: str, of: ResourceDef | None = None) -> Kind:
    """A subresource; without `of` it is a part of the object itself, as `status` is."""
    whole = parent._api_info
    verbs = ["get", "patch", "put", "post"]
    information = ApiInfo(of or whole.resource, whole.plural, verbs, parent=whole.resource, action=action)
    base = NamespacedSubResource if issubclass(parent, NamespacedResource) else GlobalSubResource
    return type(parent.__name__ + action.title(), (base, Generic), {"_api_info": information})


def told(kind: Kind) -> str:
    """As RBAC writes it, such as `deployments/scale`."""
    information = kind._api_info
    return f"{information.plural}/{information.action}" if information.action else information.plural


POD = namespaced("", "v1", "Pod", "pods")
POD_STATUS = part(POD, "status")
LEASE = namespaced("coordination.k8s.io", "v1", "Lease", "leases")
SECRET = namespaced("", "v1", "Secret", "secrets")
NODE = everywhere("", "v1", "Node", "nodes")
NODE_STATUS = part(NODE, "status")
NAMESPACE = everywhere("", "v1", "Namespace", "namespaces")
DEFINITION = everywhere("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
WEBHOOK = everywhere(
    "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"
)
# What the mesh acts on: how the mesh is set, what runs, what Istio does.
ACTED_ON: tuple[Namespaced | Global, ...] = (
    NAMESPACE,
    namespaced("", "v1", "Service", "services"),
    namespaced("", "v1", "ServiceAccount", "serviceaccounts"),
    namespaced("", "v1", "ConfigMap", "configmaps"),
    SECRET,
    namespaced("apps", "v1", "Deployment", "deployments"),
    namespaced("networking.istio.io", "v1", "VirtualService", "virtualservices"),
    namespaced("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
    namespaced("networking.istio.io", "v1", "Gateway", "gateways"),
    namespaced("networking.istio.io", "v1", "ServiceEntry", "serviceentries"),
    namespaced("networking.istio.io", "v1", "WorkloadEntry", "workloadentries"),
    namespaced("networking.istio.io", "v1", "Sidecar", "sidecars"),
    namespaced("networking.istio.io", "v1beta1", "ProxyConfig", "proxyconfigs"),
    namespaced("security.istio.io", "v1", "PeerAuthentication", "peerauthentications"),
    namespaced("security.istio.io", "v1", "RequestAuthentication", "requestauthentications"),
    namespaced("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"),
    namespaced("telemetry.istio.io", "v1", "Telemetry", "telemetries"),
)
