"""Every kind that may stand in a file, and what the local mesh does with it.

Supporting one more kind is one line in `SUPPORTED` and a module with its table.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh.local.schema import (
    authorization_policy,
    destination_rule,
    gateway,
    peer_authentication,
    proxy_config,
    request_authentication,
    service_entry,
    sidecar,
    telemetry,
    virtual_service,
    workload_entry,
)
from mesh.local.schema.kubernetes import autoscaling, core, jobs, workloads
from mesh.local.schema.language import Message
from mesh.local.schema.metadata import whole

NETWORKING = ("networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3")
SECURITY = ("security.istio.io/v1", "security.istio.io/v1beta1")
TELEMETRY = ("telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1")


@dataclass(frozen=True)
class Kind:
    """The versions under which a kind is accepted, all alike, and the schema of a whole object."""

    api_versions: tuple[str, ...]
    schema: Message


def _networking(spec: Message) -> Kind:
    return Kind(NETWORKING, whole({"spec": spec}, required=("spec",)))


def _security(spec: Message) -> Kind:
    """A policy without a spec is one that says nothing about everybody."""
    return Kind(SECURITY, whole({"spec": spec}))


SUPPORTED: dict[str, Kind] = {
    "VirtualService": _networking(virtual_service.SPEC),
    "DestinationRule": _networking(destination_rule.SPEC),
    "Gateway": _networking(gateway.SPEC),
    "ServiceEntry": _networking(service_entry.SPEC),
    "WorkloadEntry": _networking(workload_entry.SPEC),
    "Sidecar": _networking(sidecar.SPEC),
    "ProxyConfig": Kind(
        ("networking.istio.io/v1beta1", "networking.istio.io/v1"), whole({"spec": proxy_config.SPEC})
    ),
    "PeerAuthentication": _security(peer_authentication.SPEC),
    "RequestAuthentication": _security(request_authentication.SPEC),
    "AuthorizationPolicy": _security(authorization_policy.SPEC),
    "Telemetry": Kind(TELEMETRY, whole({"spec": telemetry.SPEC})),
    "Namespace": Kind(("v1",), core.NAMESPACE),
    "Service": Kind(("v1",), core.SERVICE),
    "ServiceAccount": Kind(("v1",), core.SERVICE_ACCOUNT),
    "ConfigMap": Kind(("v1",), core.CONFIG_MAP),
    "Secret": Kind(("v1",), core.SECRET),
    "Deployment": Kind(("apps/v1",), workloads.DEPLOYMENT),
    "StatefulSet": Kind(("apps/v1",), workloads.STATEFUL_SET),
    "DaemonSet": Kind(("apps/v1",), workloads.DAEMON_SET),
    "ReplicaSet": Kind(("apps/v1",), workloads.REPLICA_SET),
    "Pod": Kind(("v1",), workloads.POD),
    "PersistentVolumeClaim": Kind(("v1",), workloads.CLAIM),
    "Job": Kind(("batch/v1",), jobs.JOB),
    "CronJob": Kind(("batch/v1",), jobs.CRON_JOB),
    "HorizontalPodAutoscaler": Kind(("autoscaling/v2",), autoscaling.AUTOSCALER),
}

# Known, and refused by name: running without it would be another system than the one described.
LATER: dict[str, tuple[str, ...]] = {
    "networking.istio.io": (
        "WorkloadGroup",
        "EnvoyFilter",
    ),
    "extensions.istio.io": ("WasmPlugin", "TrafficExtension"),
    "gateway.networking.k8s.io": (
        "Gateway",
        "GatewayClass",
        "HTTPRoute",
        "GRPCRoute",
        "TCPRoute",
        "TLSRoute",
        "UDPRoute",
        "ReferenceGrant",
        "BackendTLSPolicy",
        "ListenerSet",
    ),
    "": ("ReplicationController", "PersistentVolume", "Endpoints"),
    "networking.k8s.io": ("Ingress", "IngressClass"),
    "discovery.k8s.io": ("EndpointSlice",),
}

# What to do instead, where there is something.
INSTEAD: dict[str, str] = {
    "EnvoyFilter": "it patches what istiod made; a VirtualService, a DestinationRule, Telemetry may say it, "
    "or run --control-plane istiod",
    "WasmPlugin": "no Wasm is run; a service may decide instead, by a CUSTOM policy",
    "TrafficExtension": "no Wasm is run; a service may decide instead, by a CUSTOM policy",
    "ProxyConfig": "write defaultConfig in the mesh's configuration",
    "GatewayClass": "write Istio's own Gateway and VirtualService",
    "HTTPRoute": "write a VirtualService with http routes",
    "GRPCRoute": "write a VirtualService with http routes",
    "TCPRoute": "write a VirtualService with tcp routes",
    "TLSRoute": "write a VirtualService with tls routes",
    "BackendTLSPolicy": "write a DestinationRule with tls",
    "Ingress": "write a Gateway and a VirtualService",
}

# Known, without meaning on one machine: read, not run, and said so.
NOT_RUN: dict[str, tuple[str, ...]] = {
    "policy": ("PodDisruptionBudget",),
    "networking.k8s.io": ("NetworkPolicy",),
    "rbac.authorization.k8s.io": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    "scheduling.k8s.io": ("PriorityClass",),
    "storage.k8s.io": ("StorageClass",),
    "monitoring.coreos.com": ("ServiceMonitor", "PodMonitor", "PrometheusRule"),
    "": ("LimitRange", "ResourceQuota"),
}
