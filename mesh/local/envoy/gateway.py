"""Gateway: the listeners of an ingress proxy, and the virtual hosts bound to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mesh.local import files
from mesh.local.envoy import authorization_policy, ext_authz, gateway_l4, istio_labels, proxy_protocol, tls
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.http import TLS_INSPECTOR, connection_manager, plain_filters
from mesh.local.envoy.matches import Listener, reads_claims
from mesh.local.envoy.request_authentication import jwt_filters
from mesh.local.envoy.servers import Server, effective_hosts, in_front, redirects, server_hosts, servers
from mesh.local.envoy.tls_route import named
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import Route, merged, visible
from mesh.local.model import Json

_MAX_DIRECT_RESPONSE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class VirtualHost:
    """A host of a gateway's port with its routes; `redirects` sends plain HTTP to HTTPS."""

    name: str
    domains: Sequence[str]
    routes: Sequence[Route]
    redirects: bool = False


def listeners(view: View) -> dict[str, Json]:
    """One for each port that something is sent on from."""
    made = (_listener(view, port, group) for port, group in _by_bind_port(servers(view)).items())
    return {listener["name"]: listener for listener in made if listener["filter_chains"]}


def route_configurations(view: View) -> dict[str, Json]:
    return {
        name: _route_configuration(view, name, group) for name, group in _by_routes(servers(view)).items()
    }


def virtual_hosts(view: View, group: Sequence[Server]) -> Iterator[VirtualHost]:
    """The hosts of servers that share their routes: of VirtualServices, then of redirects without one."""
    port, secure = group[0].port, group[0].https
    owners: dict[str, list[VirtualService]] = {}
    moved: dict[str, bool] = {}
    bound = frozenset(server.gateway_name for server in group)
    for service in visible(view, bound):
        for server in group:
            if server.gateway_name in service.gateways:
                for host in effective_hosts(server, service):
                    members = owners.setdefault(host, [])
                    if service not in members:
                        members.append(service)
                    moved[host] = moved.get(host, False) or redirects(server)
    for server in group:
        if redirects(server):
            for _, host in server_hosts(server):
                moved[host] = True
                owners.setdefault(host, [])
    listener = Listener(view.proxy, port, bound, tls=secure)
    for host, services in owners.items():
        made = merged(view, listener, services)
        if made or moved.get(host):
            yield VirtualHost(f"{host}:{port}", _domains(host), made, moved.get(host, False))


def _by_bind_port(every: Iterable[Server]) -> dict[int, list[Server]]:
    groups: dict[int, list[Server]] = {}
    for server in every:
        groups.setdefault(server.bind_port, []).append(server)
    # one port speaks one protocol: that of its first server
    return {
        port: [server for server in group if server.transport == group[0].transport]
        for port, group in sorted(groups.items())
    }


def _by_routes(every: Iterable[Server]) -> dict[str, list[Server]]:
    groups: dict[str, list[Server]] = {}
    for group in _by_bind_port(every).values():
        for server in group:
            if server.carries_http:
                groups.setdefault(server.route_name, []).append(server)
    return groups


def _listener(view: View, port: int, group: Sequence[Server]) -> Json:
    proxy = view.proxy
    # Every gateway pod listens on its Service's address too; the kernel spreads connections over them.
    public = sorted({service.public_ip for service in in_front(view) if service.public_ip})
    listener: Json = {
        "name": f"0.0.0.0_{port}",
        "address": {"socket_address": {"address": proxy.ip, "port_value": port}},
        "traffic_direction": "OUTBOUND",
        "metadata": {"filter_metadata": istio_labels.LISTENER_METADATA},
        "enable_reuse_port": True,  # cannot change while it runs, and an address may still come
        "filter_chains": list(_chains(view, group)),
    }
    topology = (view.mesh.raw.get("defaultConfig") or {}).get("gatewayTopology") or {}
    filters = [] if topology.get("proxyProtocol") is None else [proxy_protocol.LISTENER_FILTER]
    if group[0].transport == "tls":
        filters.append(TLS_INSPECTOR)
        listener["continue_on_listener_filters_timeout"] = True
    if filters:
        listener["listener_filters"] = filters
    if public:
        listener["additional_addresses"] = [
            {"address": {"socket_address": {"address": address, "port_value": port}}} for address in public
        ]
    return listener


def _chains(view: View, group: Sequence[Server]) -> Iterator[Json]:
    if group[0].transport == "tcp":
        yield from gateway_l4.plain(view, group)
    elif group[0].transport == "http":
        yield {"filters": [_manager(view, group[0].route_name, group)]}
    else:
        yield from _secure_chains(view, group)


def _secure_chains(view: View, group: Sequence[Server]) -> Iterator[Json]:
    """Chains by server name; a name belongs to the first server that has it."""
    taken: set[str] = set()
    for server in (server for server in group if not server.passes_on):
        hosts = [host for _, host in server_hosts(server)]
        own = [host for host in dict.fromkeys(hosts) if host not in taken]
        taken.update(own)
        if not own:
            continue
        if server.https:
            yield {
                "name": server.route_name,
                "filters": [_manager(view, server.route_name, [server])],
                "transport_socket": tls.gateway_server(
                    view.proxy.folder, server.spec.get("tls") or {}, view.mesh
                ),
                **named(own),
            }
        elif chain := gateway_l4.terminated(view, server, own):
            yield chain
    yield from gateway_l4.passed_on(view, [server for server in group if server.passes_on], taken)


def _manager(view: View, route_name: str, group: Sequence[Server]) -> Json:
    rds = {
        "config_source": files.config_source(view.proxy.folder, files.routes(route_name)),
        "route_config_name": route_name,
    }
    bound = frozenset(server.gateway_name for server in group)
    claims = any(reads_claims(rule.http) for service in visible(view, bound) for rule in service.rules)
    filters = [
        *ext_authz.http_filters(view),
        *jwt_filters(view, clear_route_cache=claims),
        *authorization_policy.http_filters(view),
        *plain_filters(),
    ]
    named_stats = group[0].https and group[0].spec.get("name")
    prefix = named_stats or f"outbound_0.0.0.0_{group[0].bind_port};"
    return connection_manager("gateway", prefix, view, filters, rds=rds)


def _route_configuration(view: View, name: str, group: Sequence[Server]) -> Json:
    hosts = [_envoy(host) for host in virtual_hosts(view, group)]
    if not hosts:
        blackhole = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
        hosts = [{"name": f"blackhole:{group[0].port}", "domains": ["*"], "routes": [blackhole]}]
    return {
        "name": name,
        "virtual_hosts": hosts,
        "ignore_port_in_host_matching": True,
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": _MAX_DIRECT_RESPONSE_BYTES,
    }


def _envoy(host: VirtualHost) -> Json:
    made: Json = {
        "name": host.name,
        "domains": list(host.domains),
        "routes": [route.envoy for route in host.routes],
        "include_request_attempt_count": True,
    }
    if host.redirects:
        made["require_tls"] = "ALL"
    return made


def _domains(host: str) -> list[str]:
    return [host] if host == "*" or host.startswith("*") else [host, f"{host}."]
