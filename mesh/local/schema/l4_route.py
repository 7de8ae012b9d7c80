"""The `tcp` and `tls` routes of a VirtualService."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.http_route import DESTINATION, total_weight
from mesh.local.schema.language import ANY_TEXT, Int, ListOf, Message, Text, Type, later
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS
from mesh.local.schema.text import DNS_LABEL, GATEWAY_NAME, host_or_ip, ip_block, is_ip

_WHERE: dict[str, Type] = {
    "destinationSubnets": ListOf(Text(ip_block)),
    "port": PORT,
    "sourceLabels": LABELS,
    "sourceNamespace": DNS_LABEL,
    "gateways": ListOf(GATEWAY_NAME),
}
_ROUTE = ListOf(
    Message(
        {"destination": DESTINATION, "weight": Int(0, 2**31 - 1, "weight {} < 0")}, required=["destination"]
    )
)


def _tcp_route(route: Json, at: At) -> None:
    if not route.get("route"):
        (at / "route").error("TCP route is required")


def _tls_route(route: Json, at: At) -> None:
    if not route.get("match"):
        (at / "match").error("TLS route must have at least one match condition")
    if not route.get("route"):
        (at / "route").error("TLS route is required")


def _server_names(match: Json, at: At) -> None:
    if not match.get("sniHosts"):
        (at / "sniHosts").error("TLS match must have at least one SNI host")
    for index, host in enumerate(match.get("sniHosts") or []):
        if is_ip(host):
            (at / "sniHosts" / index).warning(
                f'using an IP address ("{host}") goes against SNI spec and most clients do not support this'
            )
        elif "*" in host and host != "*" and not host.startswith("*."):
            (at / "sniHosts" / index).unsupported("Envoy takes no partial wildcard")


TCP_ROUTE = Message(
    {
        "match": ListOf(Message({**_WHERE, "sourceSubnet": later(ANY_TEXT, "Istio does not read it")})),
        "route": _ROUTE,
    },
    rules=[_tcp_route, total_weight],
)
TLS_ROUTE = Message(
    {
        "match": ListOf(Message({**_WHERE, "sniHosts": ListOf(Text(host_or_ip))}, rules=[_server_names])),
        "route": _ROUTE,
    },
    rules=[_tls_route, total_weight],
)
