"""Findings about Gateways: servers that want the same port, hosts that no server has, closed ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mesh.local.check.mesh import Mesh, full_host, gateway_key
from mesh.local.model import Finding, Json, Resource
from mesh.local.resources import finding
from mesh.local.schema.virtual_service import MESH, covers

# Protocols of one family share a port: HTTP by the Host header, TLS by the server name.
_PLAIN_HTTP = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"})
_WITH_TLS = frozenset({"HTTPS", "TLS"})

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Server:
    gateway: Resource
    index: int
    spec: Json

    @property
    def port(self) -> int:
        return int(self.spec["port"]["number"])

    @property
    def family(self) -> str:
        protocol = str(self.spec["port"].get("protocol", "")).upper()
        return "HTTP" if protocol in _PLAIN_HTTP else "TLS" if protocol in _WITH_TLS else protocol

    @property
    def hosts(self) -> list[tuple[str, str]]:
        """Pairs of the namespace whose rules may use a host (`*` for any) and the host."""
        made = []
        for written in self.spec.get("hosts") or []:
            before, slash, after = str(written).partition("/")
            namespace = self.gateway.namespace if before == "." else before
            made.append((namespace, after.lower()) if slash else ("*", written.lower()))
        return made

    def __str__(self) -> str:
        return f"server {self.index} of {self.gateway}"


def gateway_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _conflicts(mesh)
    yield from _hosts_of_no_server(mesh)
    if mesh.has_workloads:
        yield from _ports_of_no_service(mesh)
        yield from _open_ports(mesh)


def _servers(gateway: Resource) -> list[_Server]:
    return [_Server(gateway, index, spec) for index, spec in enumerate(gateway.spec.get("servers") or [])]


def _conflicts(mesh: Mesh) -> Iterator[Finding]:
    """Servers of the same gateways and port: of two protocols, or of TLS for the same name."""
    earlier: dict[int, list[_Server]] = {}
    for gateway in mesh.config.of("Gateway"):
        for server in _servers(gateway):
            rivals = [
                other
                for other in earlier.get(server.port, ())
                if _share_pods(mesh, other.gateway, gateway) and _share_address(other, server)
            ]
            path: Path = ("spec", "servers", server.index, "port")
            if other := next((other for other in rivals if other.family != server.family), None):
                what = f"{other.family} by {other}, which comes first"
                message = f"port {server.port} is taken for {what}: this server is left out"
                yield finding(gateway, path, message, warning=True, id="IST0145")
            elif server.family == "TLS":
                yield from _same_names(server, rivals)
            earlier.setdefault(server.port, []).append(server)


def _same_names(server: _Server, rivals: Sequence[_Server]) -> Iterator[Finding]:
    taken = {host: other for other in reversed(rivals) for _, host in other.hosts}
    for number, (_, host) in enumerate(server.hosts):
        if host in taken:
            message = f'port {server.port} has the name "{host}" in {taken[host]} already, which comes first'
            path: Path = ("spec", "servers", server.index, "hosts", number)
            yield finding(server.gateway, path, message, warning=True, id="IST0145")


def _share_address(first: _Server, second: _Server) -> bool:
    ours, theirs = first.spec.get("bind"), second.spec.get("bind")
    return ours == theirs


def _share_pods(mesh: Mesh, first: Resource, second: Resource) -> bool:
    """Do both select some pod? Without pods, whether one selector implies the other."""
    ours: Mapping[str, str] = first.spec.get("selector") or {}
    theirs: Mapping[str, str] = second.spec.get("selector") or {}
    if mesh.pods:
        return any(pod.fits(theirs) for pod in mesh.pods if pod.fits(ours))
    return ours.items() <= theirs.items() or theirs.items() <= ours.items()


def _hosts_of_no_server(mesh: Mesh) -> Iterator[Finding]:
    """Hosts of a VirtualService that none of its Gateways lets in."""
    for resource in mesh.config.of("VirtualService"):
        names = resource.spec.get("gateways") or [MESH]
        gateways = [mesh.config.get("Gateway", *gateway_key(name, resource.namespace)) for name in names]
        if MESH in names or None in gateways:
            continue
        servers = [server for gateway in gateways if gateway for server in _servers(gateway)]
        for index, written in enumerate(resource.spec.get("hosts") or []):
            host = full_host(written, resource.namespace).lower()
            if not any(_lets_in(server, resource.namespace, {host, written.lower()}) for server in servers):
                message = f'"{written}" is a host of none of its Gateways: no request meets this rule'
                yield finding(resource, ("spec", "hosts", index), message, warning=True, id="IST0132")


def _lets_in(server: _Server, namespace: str, hosts: set[str]) -> bool:
    return any(
        allowed in ("*", namespace) and any(covers(offered, host) or covers(host, offered) for host in hosts)
        for allowed, offered in server.hosts
    )


def _ports_of_no_service(mesh: Mesh) -> Iterator[Finding]:
    """Ports of a Gateway that no Service in front of its pods leads to."""
    for gateway in mesh.config.of("Gateway"):
        pods = [pod for pod in mesh.pods if pod.fits(gateway.spec.get("selector") or {})]
        services = list({one.key: one for pod in pods for one in mesh.services_of(pod)}.values())
        known = {
            number
            for service in services
            for port in service.spec.get("ports") or []
            for number in (port["port"], *(pod.target(port) for pod in pods))
        }
        for server in _servers(gateway) if services else ():
            if server.port not in known:
                named = ", ".join(str(service) for service in services)
                message = f"{named} has no port {server.port}: nobody outside reaches this server"
                path: Path = ("spec", "servers", server.index, "port", "number")
                yield finding(gateway, path, message, warning=True, id="IST0162")


def _open_ports(mesh: Mesh) -> Iterator[Finding]:
    """Destinations without a port at gateways, where the Service has several and not the server's."""
    for resource in mesh.config.of("VirtualService"):
        for index, route in enumerate(resource.spec.get("http") or []):
            arriving = _server_ports(mesh, resource, route)
            for number, entry in enumerate(route.get("route") or []):
                to = entry["destination"]
                service = mesh.services.get(full_host(to["host"], resource.namespace))
                ports = [port["port"] for port in service.spec.get("ports") or []] if service else []
                open_ = len(ports) > 1 and not (to.get("port") or {}).get("number")
                if open_ and (missing := sorted(arriving - set(ports))):
                    message = (
                        f"{service} has the ports {', '.join(map(str, ports))}; without a port here it is "
                        f"asked at the gateway's, {missing[0]}: answered 503"
                    )
                    path: Path = ("spec", "http", index, "route", number, "destination")
                    yield finding(resource, path, message, warning=True, id="IST0112")


def _server_ports(mesh: Mesh, resource: Resource, route: Json) -> set[int]:
    """The ports of the Gateways at which a request may come to the route."""
    own = resource.spec.get("gateways") or [MESH]
    matches = route.get("match") or [{}]
    names = {name for match in matches for name in match.get("gateways") or own}
    gateways = [mesh.config.get("Gateway", *gateway_key(name, resource.namespace)) for name in names]
    return {server.port for gateway in gateways if gateway for server in _servers(gateway)}
