"""Endpoints of a cluster: who is ready behind a service, or behind one of its subsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mesh.local.envoy.locality import grouped, preferred
from mesh.local.envoy.peer_authentication import accepts_mtls
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.workload import endpoint_metadata
from mesh.local.inside import is_inside
from mesh.local.model import Endpoint, Json, Service, ServicePort
from mesh.local.schema.text import is_ip

POD = "pod"  # in an endpoint's metadata for subsets: which pod it is
SUBSETS = "envoy.lb"


def load_assignment(
    view: View,
    name: str,
    service: Service,
    port: ServicePort,
    labels: Mapping[str, str],
    policy: Json,
    *,
    mutual: bool = True,
) -> Json:
    """The ClusterLoadAssignment `name`; empty when nothing is ready. `policy` says which localities count.

    `mutual` is whether endpoints that take the mesh's mutual TLS are marked so.
    """
    made = [
        (endpoint, _lb_endpoint(view, service, endpoint, target, mutual=mutual))
        for endpoint, target in serving(view, service, port, labels)
    ]
    groups = preferred(grouped(made), view.proxy.labels, policy)
    return {"cluster_name": name, "endpoints": [group.envoy() for group in groups]}


def serving(
    view: View, service: Service, port: ServicePort, labels: Mapping[str, str]
) -> Iterator[tuple[Endpoint, int]]:
    """The endpoints that get requests for a port, each with its own number for it."""
    for endpoint in sorted(view.registry.endpoints_of(service), key=lambda e: e.pod):
        target = endpoint.target(port)
        ready = (endpoint.ready or service.even_unready) and _can_be_found(service, endpoint)
        if not ready or target is None or not selects(labels, endpoint.labels):
            continue
        if not (endpoint.written and is_inside(endpoint.address, target)):
            yield endpoint, target


def _can_be_found(service: Service, endpoint: Endpoint) -> bool:
    """An entry with a name for its address is none where nobody asks DNS."""
    return not endpoint.written or service.resolution != "STATIC" or is_ip(endpoint.address)


def principals(view: View, service: Service) -> list[str]:
    """The SPIFFE ids that the endpoints may show, ready or not, so that a restart changes nothing."""
    endpoints = view.registry.endpoints_of(service)
    known = {
        f"spiffe://{domain}/{endpoint.principal.partition('/')[2]}"
        for endpoint in endpoints
        if endpoint.service_account
        for domain in view.mesh.trust_domains
    }
    return sorted(known | set(service.subject_alt_names))


def takes_mtls(view: View, endpoint: Endpoint, target: int) -> bool:
    """Whether the mesh's mutual TLS is spoken at a port of an endpoint."""
    return endpoint.sidecar and accepts_mtls(view.config, endpoint.namespace, endpoint.labels, target)


def _lb_endpoint(view: View, service: Service, endpoint: Endpoint, target: int, *, mutual: bool) -> Json:
    address = {"socket_address": {"address": endpoint.address, "port_value": target}}
    metadata = {} if service.external else endpoint_metadata(endpoint)  # no workload of the mesh
    if mutual and takes_mtls(view, endpoint, target):
        metadata["envoy.transport_socket_match"] = {"tlsMode": "istio"}
    if service.headless:
        metadata[SUBSETS] = {POD: endpoint.pod}
    return {
        "endpoint": {"address": address},
        "load_balancing_weight": endpoint.weight,
        "metadata": {"filter_metadata": metadata},
    }
