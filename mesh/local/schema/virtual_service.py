"""VirtualService."""

from __future__ import annotations

from itertools import combinations

from mesh.local.model import Json
from mesh.local.schema.http_match import is_claim
from mesh.local.schema.http_route import HTTP_ROUTE
from mesh.local.schema.l4_route import TCP_ROUTE, TLS_ROUTE
from mesh.local.schema.language import ListOf, Message, Text
from mesh.local.schema.report import At
from mesh.local.schema.selectors import EXPORT_TO_LIST, exports_plainly
from mesh.local.schema.text import GATEWAY_NAME, host_or_ip, is_ip

MESH = "mesh"


def covers(host: str, other: str) -> bool:
    """Does a host, wildcard or not, stand for every name (or wildcard) that `other` stands for?"""
    if host == "*" or host == other:
        return True
    return host.startswith("*") and other.endswith(host[1:]) and len(other) > len(host) - 1


def _delegate_is_bare(spec: Json, at: At) -> None:
    if spec.get("hosts"):
        return
    for field, what in (("gateways", "gateways"), ("tls", "tls route"), ("tcp", "tcp route")):
        if spec.get(field):
            (at / field).error(f"delegate virtual service must have no {what} specified")


def _routes_something(spec: Json, at: At) -> None:
    if not any(spec.get(protocol) for protocol in ("http", "tcp", "tls")):
        at.error("http, tcp or tls must be provided in virtual service")


def _hosts(spec: Json, at: At) -> None:
    hosts = spec.get("hosts") or []
    gateways = spec.get("gateways") or [MESH]
    if MESH in gateways and "*" in hosts:
        message = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
        (at / "hosts" / hosts.index("*")).error(message)
    for (_, first), (index, second) in combinations(enumerate(hosts), 2):
        if covers(first, second) or covers(second, first):
            (at / "hosts" / index).error(f"duplicate hosts in virtual service: {first} & {second}")


def _claims_at_gateways(spec: Json, at: At) -> None:
    if MESH not in (spec.get("gateways") or [MESH]):
        return
    for index, route in enumerate(spec.get("http") or []):
        for number, match in enumerate(route.get("match") or []):
            for field in ("headers", "withoutHeaders"):
                for name in match.get(field) or {}:
                    if is_claim(name):
                        (at / "http" / index / "match" / number / field / name).error(
                            "JWT claim based routing is only supported for gateways, not for mesh"
                        )


def _server_names_fit(spec: Json, at: At) -> None:
    """The name that a TLS client asks for is one of the rule's hosts."""
    hosts = spec.get("hosts") or []
    for index, route in enumerate(spec.get("tls") or []):
        for number, match in enumerate(route.get("match") or []):
            for place, name in enumerate(match.get("sniHosts") or []):
                if not is_ip(name) and not any(covers(host, name) for host in hosts):
                    (at / "tls" / index / "match" / number / "sniHosts" / place).error(
                        f'SNI host "{name}" is not a compatible subset of any of the virtual service hosts: '
                        f"[{', '.join(hosts)}]"
                    )


SPEC = Message(
    {
        "hosts": ListOf(Text(host_or_ip)),
        "gateways": ListOf(GATEWAY_NAME),
        "http": ListOf(HTTP_ROUTE),
        "tcp": ListOf(TCP_ROUTE),
        "tls": ListOf(TLS_ROUTE),
        "exportTo": EXPORT_TO_LIST,
    },
    rules=[
        _delegate_is_bare,
        _routes_something,
        _hosts,
        _claims_at_gateways,
        _server_names_fit,
        exports_plainly,
    ],
)
