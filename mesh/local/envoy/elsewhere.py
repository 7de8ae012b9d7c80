"""ExternalNames that no service has: DNS leads away, as it would for a process on Kubernetes.

Istio knows nothing of such a host: it is passed on like any unknown one, where that is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.envoy import names
from mesh.local.envoy.discovery import by_name
from mesh.local.envoy.fence import fenced
from mesh.local.envoy.istio_labels import SERVICE
from mesh.local.envoy.tcp_route import tunnel
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_host import VirtualHost, domains
from mesh.local.envoy.virtual_service import Route
from mesh.local.model import Json, Service

_PORTS = (80, 443)  # of an ExternalName that names none


def clusters(view: View) -> dict[str, Json]:
    made = (_cluster(view, service, port) for service in view.registry.elsewhere for port in _ports(service))
    return {cluster["name"]: cluster for cluster in made}


def virtual_hosts(view: View) -> Iterator[VirtualHost]:
    for service in view.registry.elsewhere:
        for port in _ports(service):
            cluster = _name(service, port)
            action = {"cluster": cluster, "timeout": "0s"}
            routes = [
                Route(tunnel(action, "allow_any")),
                Route({"name": "allow_any", "match": {"prefix": "/"}, "route": action}),
            ]
            named = domains(service, port, view.proxy.namespace)
            yield VirtualHost(f"{service.hostname}:{port}", named, routes)


def _ports(service: Service) -> tuple[int, ...]:
    return tuple(port.number for port in service.ports) or _PORTS


def _name(service: Service, port: int) -> str:
    return f"{names.PASSTHROUGH}.{service.hostname}:{port}"


def _cluster(view: View, service: Service, port: int) -> Json:
    name = _name(service, port)
    address = {"socket_address": {"address": service.endpoints[0].address, "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    cluster = {
        "name": name,
        "connect_timeout": view.mesh.connect_timeout,
        **by_name(view, "LOGICAL_DNS", {"cluster_name": name, "endpoints": endpoints}),
        "metadata": {"filter_metadata": {SERVICE: {"name": names.PASSTHROUGH}}},
    }
    return fenced(cluster)
