"""VirtualService `tls` on sidecars: a TLS port's connections by the server name that they ask for.

A CONNECT says no more than the Service, so it leads into a listener inside the proxy, which reads the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mesh.local.envoy import istio_labels, l4, names, tls
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.http import TLS_INSPECTOR
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import MESH, covers, visible
from mesh.local.model import Json, Service, ServicePort

_TRANSPORT = "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport"


@dataclass(frozen=True)
class Chain:
    """The server names that one rule answers for; none of them means every name."""

    server_names: tuple[str, ...]
    rule: l4.Rule

    @property
    def match(self) -> Json:
        return named(self.server_names)


def named(server_names: Sequence[str]) -> Json:
    """The condition of a chain on the name that a client asks for."""
    return {} if "*" in server_names else {"filter_chain_match": {"server_names": [*server_names]}}


def chosen(view: View, service: Service, port: int, over: Sequence[VirtualService]) -> list[Chain]:
    """The rules for a TLS port of a service that these VirtualServices speak for; a name is the first's."""
    listener = Listener(view.proxy, port, MESH)
    found = [
        (_distance(match, service), match["sniHosts"], rule)
        for one in over
        for rule in l4.rules(one, "tls")
        for match in rule.matches
        if l4.applies(match, listener)
    ]
    nearest = max((distance for distance, _, _ in found if distance is not None), default=None)
    return without_twins((hosts, rule) for distance, hosts, rule in found if distance == nearest)


def _distance(match: Json, service: Service) -> int | None:
    """Envoy looks at the address before the name: -1 for any address, None for another one."""
    if not match.get("destinationSubnets"):
        return -1
    length = l4.closest(match["destinationSubnets"], service)
    return length if length >= 0 else None


def without_twins(found: Iterable[tuple[Sequence[str], l4.Rule]], taken: Iterable[str] = ()) -> list[Chain]:
    """Chains of which no two have a name in common, as Envoy demands; others have those that are `taken`."""
    taken = set(taken)
    made = []
    for hosts, rule in found:
        wanted = dict.fromkeys(host.lower() for host in hosts)
        # a chain for every name has no others beside it
        own = [host for host in (("*",) if "*" in wanted else wanted) if host not in taken]
        taken.update(own)
        if own:
            made.append(Chain(tuple(own), rule))
    return made


def cluster_name(service: Service, port: int) -> str:
    return f"{names.INTERNAL}tls_{service.hostname}_{port}"


def listeners(view: View) -> dict[str, Json]:
    """One for each TLS port that a rule speaks for."""
    made = (_listener(view, service, port, chains) for service, port, chains in _ports(view))
    return {listener["name"]: listener for listener in made}


def clusters(view: View) -> dict[str, Json]:
    made = (_cluster(service, port.number) for service, port, _ in _ports(view))
    return {cluster["name"]: cluster for cluster in made}


def _ports(view: View) -> Iterator[tuple[Service, ServicePort, list[Chain]]]:
    candidates = [one for one in visible(view) if one.resource.spec.get("tls")]
    for service in view.scope.services if candidates else ():
        over = [one for one in candidates if any(covers(host, service.hostname) for host in one.hosts)]
        for port in service.ports if over else ():
            if port.tls and (chains := chosen(view, service, port.number, over)):
                yield service, port, chains


def _listener(view: View, service: Service, port: ServicePort, chains: Sequence[Chain]) -> Json:
    listener = Listener(view.proxy, port.number, MESH)
    return {
        "name": cluster_name(service, port.number),
        "internal_listener": {},
        "traffic_direction": "OUTBOUND",
        "metadata": {"filter_metadata": istio_labels.LISTENER_METADATA},
        "listener_filters": [TLS_INSPECTOR],
        "filter_chains": [
            {**chain.match, "filters": [l4.tcp_proxy(view, listener, chain.rule)]} for chain in chains
        ],
    }


def _cluster(service: Service, port: int) -> Json:
    name = cluster_name(service, port)
    address = {"envoy_internal_address": {"server_listener_name": name}}
    config = {"@type": f"type.googleapis.com/{_TRANSPORT}", "transport_socket": tls.RAW_BUFFER}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "transport_socket": {"name": "envoy.transport_sockets.internal_upstream", "typed_config": config},
    }
