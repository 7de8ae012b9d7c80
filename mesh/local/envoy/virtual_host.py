"""A virtual host of the egress proxy: the names that lead to a service's port, and to single pods of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mesh.local.envoy.endpoints import POD, SUBSETS, serving
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import Route
from mesh.local.model import CLUSTER_DOMAIN, Json, Service, ServicePort

HTTP_PORT = 80  # of a host that no service declares
_KUBERNETES = f".svc.{CLUSTER_DOMAIN}"


@dataclass(frozen=True)
class VirtualHost:
    """A virtual host with its routes; `service` is None for a host that only a VirtualService names."""

    name: str
    domains: Sequence[str]
    routes: Sequence[Route]
    service: Service | None = None


def domains(service: Service, port: int, client_namespace: str) -> list[str]:
    """Every authority that means this port; on port 80 also without it."""
    hosts = [name for host in (service.hostname, *service.aliases) for name in names(host, client_namespace)]
    if service.cluster_ip:
        hosts.append(service.cluster_ip)
    hosts += [f"[{ip}]" if ":" in ip else ip for ip in service.addresses if "/" not in ip]
    return with_port(list(dict.fromkeys(hosts)), port)


def with_port(hosts: Sequence[str], port: int) -> list[str]:
    return [*(hosts if port == HTTP_PORT else ()), *(f"{host}:{port}" for host in hosts)]


def names(host: str, client_namespace: str) -> list[str]:
    """A host, the same with a final dot, and Kubernetes' shorter forms of its own kind of name."""
    found = [host, f"{host}."]
    if host.endswith(_KUBERNETES) and not host.startswith("*"):
        qualified = host.removesuffix(_KUBERNETES)
        found += [qualified, f"{qualified}.svc"]
        short, _, namespace = qualified.partition(".")
        if namespace == client_namespace:
            found.append(short)
    return found


def of_pods(
    view: View, service: Service, port: ServicePort, routes: Sequence[Route]
) -> Iterator[VirtualHost]:
    """`POD.SERVICE...` for each pod of a headless service: the service's routes, kept to that pod."""
    cluster = f"|{port.number}||{service.hostname}"
    for endpoint, _ in serving(view, service, port, {}):
        host = f"{endpoint.pod}.{service.hostname}"
        known = [f"{endpoint.pod}.{name}" for name in names(service.hostname, view.proxy.namespace)]
        kept = [replace(route, envoy=_kept_to(route.envoy, endpoint.pod, cluster)) for route in routes]
        named = with_port(known, port.number)
        yield VirtualHost(f"{host}:{port.number}", named, kept, service)


def of_pod(pod: str) -> Json:
    """The part of a route's action that keeps its requests to one pod."""
    return {"metadata_match": {"filter_metadata": {SUBSETS: {POD: pod}}}}


def kept_to(action: Json) -> str | None:
    """The pod that a route's action keeps its requests to, if it does."""
    metadata: Json = (action.get("metadata_match") or {}).get("filter_metadata") or {}
    pod: str | None = (metadata.get(SUBSETS) or {}).get(POD)
    return pod


def _kept_to(envoy: Json, pod: str, cluster: str) -> Json:
    """A route to the service itself; one that leads to another service has no such pod."""
    action = envoy.get("route") or {}
    if not str(action.get("cluster", "")).endswith(cluster):
        return envoy
    return {**envoy, "route": {**action, **of_pod(pod)}}
