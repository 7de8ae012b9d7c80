"""The outbound side of a sidecar: an ordinary HTTP proxy on loopback.

It takes absolute-form requests, requests with a Host of the mesh, HTTP/2 with prior knowledge, and
CONNECT. One RouteConfiguration holds a virtual host per service port, as Istio's `http_proxy` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mesh.local import files
from mesh.local.envoy import durations, elsewhere, forwarding, istio_labels, istio_metrics, names
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.destination_rule import rule_for, traffic_policy
from mesh.local.envoy.http import connection_manager, plain_filters
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.virtual_host import (
    HTTP_PORT,
    Domains,
    VirtualHost,
    named_by,
    of_pod,
    of_pods,
    with_port,
)
from mesh.local.envoy.virtual_service import MESH, Owners, Route, default_route, routes, visible
from mesh.local.model import Config, Json, Service, ServicePort

_LOOPBACK = istio_metrics.ROUND
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
        filters += forwarding.filters(view.proxy)
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
    return {name: listener}


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
    if view.registry_only:
        return {_LOOPBACK: loopback}
    passthrough = {
        "name": names.PASSTHROUGH,
        "connect_timeout": view.mesh.connect_timeout,
        **forwarding.cluster_fields(),
        "metadata": _called(names.PASSTHROUGH),
    }
    return {_LOOPBACK: loopback, names.PASSTHROUGH: passthrough, **elsewhere.clusters(view)}


def route_configurations(view: View) -> dict[str, Json]:
    hosts = [_envoy(view, host) for host in virtual_hosts(view)]
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
    found = {tuple(sorted(labels.items())): labels for labels in _selectors(config) if labels}
    return list(found.values())


def _selectors(config: Config) -> Iterator[Mapping[str, str]]:
    for resource in config.of("VirtualService"):
        for kind in ("http", "tcp", "tls"):
            for route in resource.spec.get(kind) or []:
                for match in route.get("match") or []:
                    yield match.get("sourceLabels") or {}
    for resource in config.of("DestinationRule"):
        yield (resource.spec.get("workloadSelector") or {}).get("matchLabels") or {}


def virtual_hosts(view: View) -> Iterator[VirtualHost]:
    """One per service port and per host that only a VirtualService names; a domain belongs to its first."""
    candidates = visible(view)
    owners = Owners(candidates)
    domains = Domains(view.scope.services)
    for service in view.scope.services:
        owner = owners.of(service.hostname)
        for port in service.ports:
            host = _unruled(view, service, port)
            if made := _service_routes(view, port, owner):
                host = replace(host, routes=made)
            yield domains.given(host)
            if service.headless:
                yield from map(domains.given, of_pods(view, service, port, host.routes))
    if not view.registry_only:
        yield from map(domains.given, elsewhere.virtual_hosts(view))
    yield from _foreign_hosts(view, candidates, domains)


def _unruled(view: View, service: Service, port: ServicePort) -> VirtualHost:
    """A service's port without VirtualServices: the very same object until something of it changes."""
    made_of = (view.mesh, rule_for(view, service.hostname).resources)
    where = (port.number, view.proxy.namespace)
    known = service.remembered.get(where)
    if known is None or known[0] != made_of:
        made = [default_route(view, service.hostname, port.number)]
        named = named_by(service, port.number, view.proxy.namespace)
        known = (made_of, VirtualHost(f"{service.hostname}:{port.number}", named, made, service))
        service.remembered[where] = known
    host: VirtualHost = known[1]
    return host


def _service_routes(view: View, port: ServicePort, owner: VirtualService | None) -> Sequence[Route]:
    if owner is None or port.protocol == "tcp":
        return ()
    return routes(view, Listener(view.proxy, port.number, MESH), owner)


def _foreign_hosts(
    view: View, candidates: Sequence[VirtualService], domains: Domains
) -> Iterator[VirtualHost]:
    listener = Listener(view.proxy, HTTP_PORT, MESH)
    for candidate in candidates:
        for host in candidate.hosts:
            made = routes(view, listener, candidate) if view.service(host) is None else []
            found = domains.given(VirtualHost(f"{host}:{HTTP_PORT}", with_port([host], HTTP_PORT), made))
            if made and found.domains:
                yield found


def _envoy(view: View, host: VirtualHost) -> Json:
    """What Envoy is told, made once for a host."""
    if "envoy" not in host.remembered:
        host.remembered["envoy"] = {
            "name": host.name,
            "domains": list(host.domains),
            "routes": [_tunnel(view, host), *(route.envoy for route in host.routes)],
            "include_request_attempt_count": True,
        }
    made: Json = host.remembered["envoy"]
    return made


def _tunnel(view: View, host: VirtualHost) -> Json:
    """What a CONNECT leads to: the pods of a TCP port; HTTP comes back in, to be routed as such."""
    number = int(host.name.rpartition(":")[2])
    port = host.service.port(number) if host.service else None
    if host.tunnel:
        return _connect(host.tunnel)
    if host.service is None or port is None or port.protocol != "tcp":
        return _connect(_LOOPBACK)
    made = _connect(names.outbound_cluster(host.service.hostname, number))
    if host.pod:
        made["route"].update(of_pod(host.pod))
    pool = traffic_policy(view, host.service.hostname, number).get("connectionPool") or {}
    tcp = pool.get("tcp") or {}
    if tcp.get("idleTimeout"):
        made["route"]["idle_timeout"] = durations.envoy(tcp["idleTimeout"])
    if tcp.get("maxConnectionDuration"):
        limit = durations.envoy(tcp["maxConnectionDuration"])
        made["route"]["max_stream_duration"] = {"max_stream_duration": limit}
    return made


def _connect(cluster: str, name: str = "connect") -> Json:
    upgrade = {"upgrade_type": "CONNECT", "connect_config": {}}
    action = {"cluster": cluster, "timeout": "0s", "upgrade_configs": [upgrade]}
    return {"name": name, "match": {"connect_matcher": {}}, "route": action}


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
        _connect(names.PASSTHROUGH, "allow_any"),
        {"name": "allow_any", "match": {"prefix": "/"}, "route": action},
    ]
    return {"name": "allow_any", "domains": ["*"], "routes": made, "include_request_attempt_count": True}
