"""Endpoints of a cluster: the ready pods behind a service, or behind one of its subsets."""

from __future__ import annotations

from collections.abc import Mapping

from mesh.local.envoy.peer_authentication import accepts_mtls
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.workload import endpoint_metadata
from mesh.local.model import Endpoint, Json, Service, ServicePort


def load_assignment(
    view: View, name: str, service: Service, port: ServicePort, labels: Mapping[str, str]
) -> Json:
    """The ClusterLoadAssignment `name`; empty when no pod is ready."""
    lb_endpoints = [
        _lb_endpoint(view, endpoint, target)
        for endpoint in sorted(view.registry.endpoints_of(service), key=lambda e: e.pod)
        if endpoint.ready
        and (target := endpoint.target(port)) is not None
        and selects(labels, endpoint.labels)
    ]
    groups = [{"locality": {}, "load_balancing_weight": len(lb_endpoints), "lb_endpoints": lb_endpoints}]
    return {"cluster_name": name, "endpoints": groups if lb_endpoints else []}


def principals(view: View, service: Service) -> list[str]:
    """The SPIFFE ids that the service's pods may show, ready or not, so that a restart changes nothing."""
    found = {endpoint.principal for endpoint in view.registry.endpoints_of(service)}
    return sorted(
        f"spiffe://{domain}/{principal.partition('/')[2]}"
        for principal in found
        for domain in view.mesh.trust_domains
    )


def _lb_endpoint(view: View, endpoint: Endpoint, target: int) -> Json:
    address = {"socket_address": {"address": endpoint.address, "port_value": target}}
    metadata = endpoint_metadata(endpoint)
    if endpoint.sidecar and accepts_mtls(view.config, endpoint.namespace, endpoint.labels, target):
        metadata["envoy.transport_socket_match"] = {"tlsMode": "istio"}
    return {
        "endpoint": {"address": address},
        "load_balancing_weight": 1,
        "metadata": {"filter_metadata": metadata},
    }
