"""The kinds that are asked for, as whole objects: a field that a newer server adds is kept, not dropped."""

from __future__ import annotations

from lightkube.core.resource import ApiInfo, NamespacedSubResource, ResourceDef
from lightkube.generic_resource import Generic, GenericNamespacedResource, create_api_info

Kind = type[GenericNamespacedResource] | type[NamespacedSubResource]


def _kind(group: str, version: str, kind: str, plural: str) -> type[GenericNamespacedResource]:
    information = {"_api_info": create_api_info(group, version, kind, plural)}
    return type(kind, (GenericNamespacedResource,), information)


def _part(parent: type[GenericNamespacedResource], action: str, of: ResourceDef) -> Kind:
    """A subresource."""
    whole = parent._api_info
    verbs = ["get", "patch", "put", "post"]
    information = ApiInfo(of, whole.plural, verbs, parent=whole.resource, action=action)
    return type(
        parent.__name__ + action.title(), (NamespacedSubResource, Generic), {"_api_info": information}
    )


VIRTUAL_SERVICE = _kind("networking.istio.io", "v1", "VirtualService", "virtualservices")
DEPLOYMENT = _kind("apps", "v1", "Deployment", "deployments")
SCALE = _part(DEPLOYMENT, "scale", ResourceDef("autoscaling", "v1", "Scale"))
REPLICA_SET = _kind("apps", "v1", "ReplicaSet", "replicasets")
POD = _kind("", "v1", "Pod", "pods")
EVICTION = _part(POD, "eviction", ResourceDef("policy", "v1", "Eviction"))
ENDPOINT_SLICE = _kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
AUTOSCALER = _kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LEASE = _kind("coordination.k8s.io", "v1", "Lease", "leases")
ROLLOUT = _kind("delinkcious.io", "v1alpha1", "Rollout", "rollouts")
ROLLOUT_STATUS = _part(ROLLOUT, "status", ROLLOUT._api_info.resource)


def told(kind: Kind) -> str:
    """As RBAC writes it, such as `deployments/scale`."""
    information = kind._api_info
    return f"{information.plural}/{information.action}" if information.action else information.plural
