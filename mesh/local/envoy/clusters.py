"""Outbound clusters: one for every service port that a proxy sees."""

from __future__ import annotations

from mesh.local import files
from mesh.local.envoy import names, tls
from mesh.local.envoy.endpoints import load_assignment, principals
from mesh.local.envoy.peer_authentication import namespace_mode
from mesh.local.envoy.view import View
from mesh.local.model import Json, Service, ServicePort

UNLIMITED = 4294967295


def outbound(view: View) -> tuple[dict[str, Json], dict[str, Json]]:
    """Clusters by name, and their load assignments."""
    clusters: dict[str, Json] = {}
    endpoints: dict[str, Json] = {}
    for service in view.registry.services:
        for port in service.ports:
            name = names.outbound_cluster(service.hostname, port.number)
            clusters[name] = _cluster(view, name, service, port)
            endpoints[name] = load_assignment(view, name, service, port, {})
    return clusters, endpoints


def _cluster(view: View, name: str, service: Service, port: ServicePort) -> Json:
    cluster: Json = {
        "name": name,
        "alt_stat_name": f"{name};",
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": files.config_source(view.proxy.folder, files.endpoints(name)),
            "service_name": name,
        },
        "connect_timeout": view.mesh.connect_timeout,
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": UNLIMITED,
                    "max_pending_requests": UNLIMITED,
                    "max_requests": UNLIMITED,
                    "max_retries": UNLIMITED,
                    "track_remaining": True,
                }
            ]
        },
    }
    if view.mesh.auto_mtls and namespace_mode(view.config, service.namespace) != "DISABLE":
        sni = names.sni(service.hostname, port.number)
        socket = tls.mesh_client(
            view.proxy.folder, sni, principals(view, service), http2=port.protocol == "http2"
        )
        cluster["transport_socket_matches"] = [
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": tls.RAW_BUFFER},
        ]
    return cluster
