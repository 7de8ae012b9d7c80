"""The kinds that a controller of rollouts asks for."""

from __future__ import annotations

from lightkube.core.resource import ResourceDef

from mesh.local.kubernetes.kinds import LEASE, POD, Kind, namespaced, part, told

__all__ = [
    "AUTOSCALER",
    "DEPLOYMENT",
    "ENDPOINT_SLICE",
    "EVICTION",
    "LEASE",
    "POD",
    "REPLICA_SET",
    "ROLLOUT",
    "ROLLOUT_STATUS",
    "SCALE",
    "VIRTUAL_SERVICE",
    "Kind",
    "told",
]

VIRTUAL_SERVICE = namespaced("networking.istio.io", "v1", "VirtualService", "virtualservices")
DEPLOYMENT = namespaced("apps", "v1", "Deployment", "deployments")
SCALE = part(DEPLOYMENT, "scale", ResourceDef("autoscaling", "v1", "Scale"))
REPLICA_SET = namespaced("apps", "v1", "ReplicaSet", "replicasets")
EVICTION = part(POD, "eviction", ResourceDef("policy", "v1", "Eviction"))
ENDPOINT_SLICE = namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
AUTOSCALER = namespaced("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
ROLLOUT = namespaced("delinkcious.io", "v1alpha1", "Rollout", "rollouts")
ROLLOUT_STATUS = part(ROLLOUT, "status")
