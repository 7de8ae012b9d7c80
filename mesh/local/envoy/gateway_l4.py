"""Filter chains of a gateway for what is not HTTP: TCP servers, TLS that ends here, TLS that is passed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mesh.local.envoy import authorization_policy, ext_authz, l4, tls
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.servers import Server, effective_hosts
from mesh.local.envoy.tls_route import Chain, named, without_twins
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import visible
from mesh.local.model import Json


def plain(view: View, group: Sequence[Server]) -> list[Json]:
    """The chain of a TCP port: of the first server that a rule speaks for."""
    for server in group:
        if rule := tcp_rule(view, server):
            return [{"filters": _filters(view, server, rule)}]
    return []


def terminated(view: View, server: Server, server_names: Sequence[str]) -> Json | None:
    """The chain of a TLS server that ends TLS itself and sends on what was inside."""
    rule = tcp_rule(view, server)
    if rule is None:
        return None
    return {
        **named(server_names),
        "filters": _filters(view, server, rule),
        "transport_socket": tls.gateway_server(view.proxy.folder, server.spec.get("tls") or {}, view.mesh),
    }


def passed_on(view: View, group: Sequence[Server], taken: Iterable[str] = ()) -> Iterator[Json]:
    """The chains of servers that leave TLS as it is: one for each rule and its names that are not `taken`."""
    for chain in tls_chains(view, group, taken):
        yield {**chain.match, "filters": _filters(view, group[0], chain.rule)}


def tcp_rule(view: View, server: Server) -> l4.Rule | None:
    """The first `tcp` rule that is bound to the server; who the client is means nothing at a gateway."""
    for service in _bound(view, server):
        for rule in l4.rules(service, "tcp"):
            if not rule.matches or any(_meant(match, server) for match in rule.matches):
                return rule
    return None


def tls_rules(view: View, server: Server) -> list[tuple[Sequence[str], l4.Rule]]:
    """Every `tls` rule that is bound to the server, with the names it answers for."""
    return [
        (match["sniHosts"], rule)
        for service in _bound(view, server)
        for rule in l4.rules(service, "tls")
        for match in rule.matches
        if _meant(match, server)
    ]


def tls_chains(view: View, group: Sequence[Server], taken: Iterable[str] = ()) -> list[Chain]:
    """What the servers of a port that pass TLS on answer for, each name once."""
    return without_twins((found for server in group for found in tls_rules(view, server)), taken)


def _bound(view: View, server: Server) -> Iterator[VirtualService]:
    for service in visible(view, frozenset({server.gateway_name})):
        if effective_hosts(server, service):
            yield service


def _meant(match: Json, server: Server) -> bool:
    gateways = match.get("gateways")
    return match.get("port") in (None, server.port) and (not gateways or server.gateway_name in gateways)


def _filters(view: View, server: Server, rule: l4.Rule) -> list[Json]:
    listener = Listener(view.proxy, server.port, frozenset({server.gateway_name}))
    return [
        *ext_authz.network_filters(view),
        *authorization_policy.network_filters(view),
        l4.tcp_proxy(view, listener, rule),
    ]
