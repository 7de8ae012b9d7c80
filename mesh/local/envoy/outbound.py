"""The outbound side of a sidecar: an ordinary HTTP proxy on loopback.

It takes absolute-form requests, requests with a Host of the mesh, HTTP/2 with prior knowledge, and
CONNECT. One RouteConfiguration holds a virtual host per service port, as Istio's `http_proxy` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mesh.local import files
from mesh.local.envoy import elsewhere, forwarding, istio_labels, istio_metrics, names, tls_route
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.fence import fenced
from mesh.local.envoy.http import connection_manager, plain_filters
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.tcp_route import routes as tcp_routes
from mesh.local.envoy.tcp_route import tunnel
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.virtual_host import HTTP_PORT, VirtualHost, domains, of_pods, with_port
from mesh.local.envoy.virtual_service import MESH, Owners, Route, default_route, routes, visible
from mesh.local.model import Config, Json, Resource, Service, ServicePort

_LOOPBACK = istio_metrics.ROUND
_SELECTORS = "client selectors"  # what a resource remembers
_MAX_DIRECT_RESPONSE_BYTES = 1024 * 1024


def listeners(view: View) -> dict[str, Json]:
    host, port = view.proxy.egress
    name = f"{host}_{port}"
    rds = {
        "config_source": files.config_source(view.proxy.folder, files.routes(names.EGRESS_ROUTES)),
        "route_config_name": names.EGRESS_ROUTES,
    }
    filters = plain_filters()
    if not view.registry_only or any(one.resolution == "NONE" for one in view.scope.reachable):
        filters += forwarding.filters()
    manager = connection_manager("outbound", f"outbound_{name};", view, filters, rds=rds)
    manager["typed_config"]["upgrade_configs"].append({"upgrade_type": "CONNECT"})
    # many clients say CONNECT in HTTP/1.0
    manager["typed_config"]["http_protocol_options"] = {"accept_http_10": True}
    manager["typed_config"]["http2_protocol_options"] = {"allow_connect": True}
    listener = {
        "name": name,
        "address": {"socket_address": {"address": host, "port_value": port}},
        "traffic_direction": "OUTBOUND",
        "metadata": {"filter_metadata": istio_labels.LISTENER_METADATA},
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager]}],
    }
    return {name: listener, **tls_route.listeners(view)}


def clusters(view: View) -> dict[str, Json]:
    """Where requests go that leave the mesh, and the way back in for what came in a tunnel."""
    host, port = view.proxy.egress
    address = {"socket_address": {"address": host, "port_value": port}}
    loopback = {
        "name": _LOOPBACK,
        "type": "STATIC",
        "connect_timeout": view.mesh.connect_timeout,
        "load_assignment": {
            "cluster_name": _LOOPBACK,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    inside = {_LOOPBACK: loopback, **tls_route.clusters(view)}
    if view.registry_only:
        return inside
    passthrough = {
        "name": names.PASSTHROUGH,
        "connect_timeout": view.mesh.connect_timeout,
        **forwarding.cluster_fields(),
        "metadata": _called(names.PASSTHROUGH),
    }
    return {**inside, names.PASSTHROUGH: fenced(passthrough), **elsewhere.clusters(view)}


def route_configurations(view: View) -> dict[str, Json]:
    return table(view, [envoy_host(host) for host in virtual_hosts(view)])


def table(view: View, hosts: Sequence[Json]) -> dict[str, Json]:
    """The one RouteConfiguration, of these virtual hosts and of what is said to every other host."""
    config = {
        "name": names.EGRESS_ROUTES,
        "virtual_hosts": [*hosts, _catch_all(view)],
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": _MAX_DIRECT_RESPONSE_BYTES,
    }
    return {names.EGRESS_ROUTES: config}


def audience(view: View, selectors: Iterable[Mapping[str, str]]) -> tuple[object, ...]:
    """What the routes have of this very proxy: its namespace, its Sidecar, which `client_selectors` pick it.

    Proxies of one audience have equal routes.
    """
    sidecar = view.scope.sidecar
    picked = (selects(labels, view.proxy.labels) for labels in selectors)
    return view.proxy.namespace, sidecar.key if sidecar else None, *picked


def client_selectors(config: Config) -> list[Mapping[str, str]]:
    """The labels by which VirtualServices and DestinationRules choose some clients; each once."""
    rules = [*config.of("VirtualService"), *config.of("DestinationRule")]
    found = {tuple(sorted(labels.items())): labels for rule in rules for labels in _selectors_of(rule)}
    return list(found.values())


def _selectors_of(rule: Resource) -> list[Mapping[str, str]]:
    if _SELECTORS not in rule.remembered:
        rule.remembered[_SELECTORS] = [labels for labels in _selectors(rule) if labels]
    found: list[Mapping[str, str]] = rule.remembered[_SELECTORS]
    return found


def _selectors(rule: Resource) -> Iterator[Mapping[str, str]]:
    if rule.kind == "DestinationRule":
        yield (rule.spec.get("workloadSelector") or {}).get("matchLabels") or {}
    for kind in ("http", "tcp", "tls"):
        for route in rule.spec.get(kind) or []:
            for match in route.get("match") or []:
                yield match.get("sourceLabels") or {}


def virtual_hosts(view: View) -> Iterator[VirtualHost]:
    """One per service port and per host that only a VirtualService names; a domain belongs to its first."""
    services = view.scope.services
    rules = Obeyed(view)
    taken = reserved(services)
    for service in services:
        yield from freed(of_service(view, service, rules), taken)
    yield from freed(of_no_service(view, rules), taken)


def reserved(services: Sequence[Service]) -> set[str]:
    """The domains that are kept for their services, whoever comes first."""
    return {
        domain.lower()
        for service in services
        for port in service.ports
        for domain in with_port([service.hostname], port.number)
    }


class Obeyed:
    """The VirtualServices that a proxy obeys inside the mesh, in order; `l4`: those with tcp or tls rules."""

    def __init__(self, view: View) -> None:
        self.every = visible(view)
        self.owners = Owners(self.every)
        self.l4 = [one for one in self.every if one.resource.spec.get("tcp") or one.resource.spec.get("tls")]


def of_service(view: View, service: Service, rules: Obeyed) -> Iterator[VirtualHost]:
    """The virtual hosts of a service, with all the domains that they would like to have."""
    owners = rules.owners.of(service.hostname)
    for port in service.ports:
        if port.protocol == "tcp":
            made: Sequence[Route] = tcp_routes(view, service, port, rules.l4)
        else:
            made = _service_routes(view, service, port, owners)
        wanted = domains(service, port.number, view.proxy.namespace)
        yield VirtualHost(f"{service.hostname}:{port.number}", wanted, made, service)
        if service.headless:
            yield from of_pods(view, service, port, made)


def of_no_service(view: View, rules: Obeyed) -> Iterator[VirtualHost]:
    """Hosts that lead away, and those that only a VirtualService names."""
    if not view.registry_only:
        yield from elsewhere.virtual_hosts(view)
    listener = Listener(view.proxy, HTTP_PORT, MESH)
    for one in rules.every:
        for host in one.hosts:
            if view.service(host) is None and (made := routes(view, listener, one)):
                yield VirtualHost(f"{host}:{HTTP_PORT}", [host, f"{host}:{HTTP_PORT}"], made)


def freed(hosts: Iterable[VirtualHost], taken: set[str]) -> Iterator[VirtualHost]:
    """The virtual hosts with those of their domains that no earlier one has, while there are any.

    Envoy takes a domain in upper case for the same.
    """
    for host in hosts:
        own = host.service.hostname.lower() if host.service else ""
        wanted = dict.fromkeys(name.lower() for name in host.domains)
        free = [name for name in wanted if name not in taken or name.partition(":")[0] == own]
        taken.update(free)
        if free:
            yield replace(host, domains=free)


def _service_routes(
    view: View, service: Service, port: ServicePort, owners: Sequence[VirtualService]
) -> Sequence[Route]:
    listener = Listener(view.proxy, port.number, MESH)
    made = next(filter(None, (routes(view, listener, owner) for owner in owners)), None)
    return made or [default_route(view, service.hostname, port.number)]


def envoy_host(host: VirtualHost) -> Json:
    return {
        "name": host.name,
        "domains": list(host.domains),
        "routes": _with_tunnel([route.envoy for route in host.routes]),
        "include_request_attempt_count": True,
    }


def _with_tunnel(made: list[Json]) -> list[Json]:
    """HTTP in a tunnel comes back in, to be routed as such."""
    led = made and "connect_matcher" in made[0]["match"]
    return made if led else [tunnel({"cluster": _LOOPBACK}), *made]


def _called(name: str) -> Json:
    """The metadata by which metrics name a destination that is no service."""
    return {"filter_metadata": {istio_labels.SERVICE: {"name": name}}}


def _catch_all(view: View) -> Json:
    if view.registry_only:
        refuse: Json = {
            "name": "block_all",
            "direct_response": {"status": 502},
            "metadata": _called(names.BLACK_HOLE),
        }
        every: list[Json] = [{"connect_matcher": {}}, {"prefix": "/"}]
        made = [{**refuse, "match": match} for match in every]
        return {"name": "block_all", "domains": ["*"], "routes": made}
    action = {"cluster": names.PASSTHROUGH, "timeout": "0s"}
    made = [
        tunnel({"cluster": names.PASSTHROUGH}, "allow_any"),
        {"name": "allow_any", "match": {"prefix": "/"}, "route": action},
    ]
    return {"name": "allow_any", "domains": ["*"], "routes": made, "include_request_attempt_count": True}
