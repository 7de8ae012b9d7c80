"""The servers of Gateways as one proxy sees them: where they listen, which hosts they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.virtual_service import covers
from mesh.local.model import Json, Resource, Service

_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TCP", "TLS")

Transport = Literal["http", "tcp", "tls"]


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
    def _protocol(self) -> str:
        return str(self.spec["port"].get("protocol", "")).upper()

    @property
    def https(self) -> bool:
        """Whether TLS ends here and HTTP is inside."""
        return self._protocol == "HTTPS" and not self.passes_on

    @property
    def passes_on(self) -> bool:
        """Whether TLS is left as it is, and routed by the name that is asked for."""
        mode = (self.spec.get("tls") or {}).get("mode", "PASSTHROUGH")
        return self._protocol in ("HTTPS", "TLS") and mode == "PASSTHROUGH"

    @property
    def transport(self) -> Transport:
        """What the port's first bytes are; only servers that agree on it share a port."""
        if self._protocol in ("HTTPS", "TLS"):
            return "tls"
        return "tcp" if self._protocol == "TCP" else "http"

    @property
    def carries_http(self) -> bool:
        return self.https or self.transport == "http"

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


def serves(server: Server, host: str) -> bool:
    """Whether a TLS client that names this host meets the server."""
    return any(covers(offered, host) for _, offered in server_hosts(server))


def _target_ports(view: View) -> dict[int, int]:
    """The proxy's own port for each port of the Services in front of it."""
    by_name = {port.name: port.number for port in view.proxy.ports}
    made: dict[int, int] = {}
    for service in in_front(view):
        for port in service.ports:
            target = port.target_port
            number = target if isinstance(target, int) else by_name.get(target)
            if number is not None:
                made.setdefault(port.number, number)
    return made


def in_front(view: View) -> list[Service]:
    """The Services that lead to this proxy, by name."""
    proxy = view.proxy
    ours = [service for service in view.registry.services if service.namespace == proxy.namespace]
    chosen = [service for service in ours if service.selector and selects(service.selector, proxy.labels)]
    return sorted(chosen, key=lambda service: service.name)


def redirects(server: Server) -> bool:
    return bool((server.spec.get("tls") or {}).get("httpsRedirect"))


def server_hosts(server: Server) -> list[tuple[str, str]]:
    """Pairs of the namespace whose VirtualServices may use a host (`*` for any) and the host."""
    made = []
    for written in server.spec.get("hosts") or []:
        before, slash, after = str(written).partition("/")
        namespace, host = (before, after) if slash else ("*", written)
        made.append(
            (server.gateway.namespace if namespace == "." else namespace, host.lower().removesuffix("."))
        )
    return made


def effective_hosts(server: Server, service: VirtualService) -> list[str]:
    """Where the hosts of the two meet; the more specific side counts."""
    made: dict[str, None] = {}
    for host in service.hosts:
        for namespace, offered in server_hosts(server):
            if namespace in ("*", service.resource.namespace):
                if covers(offered, host):
                    made[host] = None
                elif covers(host, offered):
                    made[offered] = None
    return list(made)
