"""What becomes of a connection that carries no HTTP: `tcp://HOST:PORT`, or `tls://NAME:PORT` by its name."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.envoy import gateway_l4, l4, tls_route
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.servers import Server, servers, serves
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_host import VirtualHost
from mesh.local.envoy.virtual_service import MESH, Route, covers, visible
from mesh.local.explain import matching
from mesh.local.explain.answer import Explanation
from mesh.local.explain.forwarding import carried_out
from mesh.local.explain.request import Request

SCHEMES = ("tcp", "tls")


def at_sidecar(view: View, request: Request, host: VirtualHost) -> Explanation:
    """A connection to a service; the name that is asked for is the header `sni`, else the host."""
    service, number = host.service, int(host.name.rpartition(":")[2])
    port = service.port(number) if service else None
    if service is None or port is None or port.protocol != "tcp":
        reason = f"port {number} speaks HTTP: what a connection carries is routed request by request"
        return Explanation("failed", reason, virtual_host=host.name)
    candidates = [one for one in visible(view) if any(covers(h, service.hostname) for h in one.hosts)]
    chains = tls_route.chosen(view, service, number, candidates) if port.tls else []
    if chains:
        return _by_name(view, request, host.name, number, chains, MESH)
    return carried_out(view, request, host.name, host.routes[0])


def at_gateway(view: View, request: Request) -> Explanation:
    """A connection from the world: of a TCP port, of TLS that ends here, or of TLS that is passed on."""
    port = request.service_port
    group = [
        server
        for server in servers(view)
        if port in (server.port, server.bind_port) and server.transport == request.scheme
    ]
    for server in group:
        if not server.passes_on and (request.scheme == "tcp" or serves(server, _name(request))):
            rule = None if server.https else gateway_l4.tcp_rule(view, server)
            if rule is not None:
                return _carried(view, request, server.gateway_name, _listener(view, server), rule)
    passing = [server for server in group if server.passes_on]
    if not passing:
        return Explanation("failed", f"no rule is bound to {request.scheme} on port {port}: it is closed")
    chains = gateway_l4.tls_chains(view, passing)
    listener = _listener(view, passing[0])
    return _by_name(view, request, passing[0].gateway_name, listener.port, chains, listener.gateways)


def _by_name(
    view: View,
    request: Request,
    where: str,
    port: int,
    chains: Sequence[tls_route.Chain],
    gateways: frozenset[str],
) -> Explanation:
    by_name = {name: chain.rule for chain in chains for name in chain.server_names}
    name = matching.best_domain(_name(request), by_name)
    if name is None:
        reason = f'no rule answers for the server name "{_name(request)}": the connection is closed'
        return Explanation("failed", reason, virtual_host=where)
    return _carried(view, request, where, Listener(view.proxy, port, gateways), by_name[name])


def _carried(view: View, request: Request, where: str, listener: Listener, rule: l4.Rule) -> Explanation:
    forward = l4.forwarded(view, listener, rule.route)
    return carried_out(view, request, where, Route({"match": {}, "route": forward}, rule.resource, rule.path))


def _listener(view: View, server: Server) -> Listener:
    return Listener(view.proxy, server.port, frozenset({server.gateway_name}))


def _name(request: Request) -> str:
    return request.headers.get("sni", request.host)
