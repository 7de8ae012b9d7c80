"""Gateway: the listeners of an ingress proxy, and the virtual hosts bound to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mesh.local import files
from mesh.local.envoy import authorization_policy, tls
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.http import connection_manager, filter_, plain_filters
from mesh.local.envoy.matches import Listener, reads_claims
from mesh.local.envoy.request_authentication import jwt_filters
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.virtual_service import Route, covers, merged, visible
from mesh.local.model import Json, Resource, Service

_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS")
_MAX_DIRECT_RESPONSE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Server:
    """One server of a Gateway, and the port of the proxy that it is reached at."""

    gateway: Resource
    spec: Json
    bind_port: int

    @property
    def port(self) -> int:
        return _number(self.spec)

    @property
    def https(self) -> bool:
        return str(self.spec["port"].get("protocol", "")).upper() == "HTTPS"

    @property
    def gateway_name(self) -> str:
        return f"{self.gateway.namespace}/{self.gateway.name}"

    @property
    def route_name(self) -> str:
        """HTTP servers of one port share their routes; an HTTPS server has its own."""
        if not self.https:
            return f"http.{self.bind_port}"
        name = self.spec["port"].get("name", "")
        return f"https.{self.port}.{name}.{self.gateway.name}.{self.gateway.namespace}"


@dataclass(frozen=True)
class VirtualHost:
    """A host of a gateway's port with its routes; `redirects` sends plain HTTP to HTTPS."""

    name: str
    domains: Sequence[str]
    routes: Sequence[Route]
    redirects: bool = False


def servers(view: View) -> list[Server]:
    """Every server of every Gateway that selects the proxy."""
    targets = _target_ports(view)
    return [
        Server(gateway, spec, targets.get(_number(spec), _number(spec)))
        for gateway in view.config.of("Gateway")
        if selects(gateway.spec.get("selector"), view.proxy.labels)
        for spec in gateway.spec.get("servers") or []
        if str((spec.get("port") or {}).get("protocol", "")).upper() in _PROTOCOLS
    ]


def _number(spec: Json) -> int:
    return int((spec.get("port") or {}).get("number") or 0)


def listeners(view: View) -> dict[str, Json]:
    made = (_listener(view, port, group) for port, group in _by_bind_port(servers(view)).items())
    return {listener["name"]: listener for listener in made}


def route_configurations(view: View) -> dict[str, Json]:
    return {
        name: _route_configuration(view, name, group) for name, group in _by_routes(servers(view)).items()
    }


def virtual_hosts(view: View, group: Sequence[Server]) -> Iterator[VirtualHost]:
    """The hosts of servers that share their routes: of VirtualServices, then of redirects without one."""
    port, secure = group[0].port, group[0].https
    owners: dict[str, list[VirtualService]] = {}
    redirects: dict[str, bool] = {}
    bound = frozenset(server.gateway_name for server in group)
    for service in visible(view, bound):
        for server in group:
            if server.gateway_name in service.gateways:
                for host in _effective_hosts(server, service):
                    members = owners.setdefault(host, [])
                    if service not in members:
                        members.append(service)
                    redirects[host] = redirects.get(host, False) or _redirects(server)
    for server in group:
        if _redirects(server):
            for _, host in _server_hosts(server):
                redirects[host] = True
                owners.setdefault(host, [])
    listener = Listener(view.proxy, port, bound, tls=secure)
    for host, services in owners.items():
        made = merged(view, listener, services)
        if made or redirects.get(host):
            yield VirtualHost(f"{host}:{port}", _domains(host), made, redirects.get(host, False))


def serves(server: Server, host: str) -> bool:
    """Whether a TLS client that names this host meets the server."""
    return any(covers(offered, host) for _, offered in _server_hosts(server))


def _target_ports(view: View) -> dict[int, int]:
    """The proxy's own port for each port of the Services in front of it."""
    by_name = {port.name: port.number for port in view.proxy.ports}
    made: dict[int, int] = {}
    for service in _in_front(view):
        for port in service.ports:
            target = port.target_port
            number = target if isinstance(target, int) else by_name.get(target)
            if number is not None:
                made.setdefault(port.number, number)
    return made


def _in_front(view: View) -> list[Service]:
    """The Services that lead to this proxy, by name."""
    proxy = view.proxy
    ours = [service for service in view.registry.services if service.namespace == proxy.namespace]
    chosen = [service for service in ours if service.selector and selects(service.selector, proxy.labels)]
    return sorted(chosen, key=lambda service: service.name)


def _by_bind_port(every: Iterable[Server]) -> dict[int, list[Server]]:
    groups: dict[int, list[Server]] = {}
    for server in every:
        groups.setdefault(server.bind_port, []).append(server)
    # one port speaks one protocol: that of its first server
    return {port: [s for s in group if s.https == group[0].https] for port, group in sorted(groups.items())}


def _by_routes(every: Iterable[Server]) -> dict[str, list[Server]]:
    groups: dict[str, list[Server]] = {}
    for group in _by_bind_port(every).values():
        for server in group:
            groups.setdefault(server.route_name, []).append(server)
    return groups


def _listener(view: View, port: int, group: Sequence[Server]) -> Json:
    proxy = view.proxy
    # Every gateway pod listens on its Service's address too; the kernel spreads connections over them.
    public = sorted({service.public_ip for service in _in_front(view) if service.public_ip})
    listener: Json = {
        "name": f"0.0.0.0_{port}",
        "address": {"socket_address": {"address": proxy.ip, "port_value": port}},
        "traffic_direction": "OUTBOUND",
        "enable_reuse_port": bool(public),
        "filter_chains": list(_chains(view, group)),
    }
    if group[0].https:
        proto = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        listener["listener_filters"] = [filter_("envoy.filters.listener.tls_inspector", proto)]
        listener["continue_on_listener_filters_timeout"] = True
    if public:
        listener["additional_addresses"] = [
            {"address": {"socket_address": {"address": address, "port_value": port}}} for address in public
        ]
    return listener


def _chains(view: View, group: Sequence[Server]) -> Iterator[Json]:
    if not group[0].https:
        yield {"filters": [_manager(view, group[0].route_name, group)]}
        return
    taken: set[str] = set()
    for server in group:
        hosts = [host for _, host in _server_hosts(server)]
        own = [host for host in dict.fromkeys(hosts) if host not in taken]
        taken.update(own)
        if not own:
            continue
        chain: Json = {
            "name": server.route_name,
            "filters": [_manager(view, server.route_name, [server])],
            "transport_socket": tls.gateway_server(view.proxy.folder, server.spec.get("tls") or {}),
        }
        if "*" not in own:
            chain["filter_chain_match"] = {"server_names": own}
        yield chain


def _manager(view: View, route_name: str, group: Sequence[Server]) -> Json:
    rds = {
        "config_source": files.config_source(view.proxy.folder, files.routes(route_name)),
        "route_config_name": route_name,
    }
    bound = frozenset(server.gateway_name for server in group)
    claims = any(reads_claims(rule.http) for service in visible(view, bound) for rule in service.rules)
    filters = [
        *jwt_filters(view, clear_route_cache=claims),
        *authorization_policy.http_filters(view),
        *plain_filters(),
    ]
    prefix = f"outbound_0.0.0.0_{group[0].bind_port};"
    return connection_manager("gateway", prefix, view.mesh, filters, rds=rds)


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


def _redirects(server: Server) -> bool:
    return bool((server.spec.get("tls") or {}).get("httpsRedirect"))


def _server_hosts(server: Server) -> list[tuple[str, str]]:
    """Pairs of the namespace whose VirtualServices may use a host (`*` for any) and the host."""
    made = []
    for written in server.spec.get("hosts") or []:
        before, slash, after = str(written).partition("/")
        namespace, host = (before, after) if slash else ("*", written)
        made.append((server.gateway.namespace if namespace == "." else namespace, host.lower()))
    return made


def _effective_hosts(server: Server, service: VirtualService) -> list[str]:
    """Where the hosts of the two meet; the more specific side counts."""
    made: dict[str, None] = {}
    for host in service.hosts:
        for namespace, offered in _server_hosts(server):
            if namespace in ("*", service.resource.namespace):
                if covers(offered, host):
                    made[host] = None
                elif covers(host, offered):
                    made[offered] = None
    return list(made)
