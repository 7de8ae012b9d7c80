"""The `tcp` and `tls` rules of VirtualServices: which one a connection obeys, and where it sends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from mesh.local.envoy import destinations, durations, istio_metrics, names
from mesh.local.envoy.access_log import access_logs
from mesh.local.envoy.delegates import Path, VirtualService
from mesh.local.envoy.destination_rule import rule_for, traffic_policy
from mesh.local.envoy.http import filter_
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.view import View, selects
from mesh.local.model import Json, Resource, Service

_TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@dataclass(frozen=True)
class Rule:
    """One `tcp` or `tls` rule with host names made whole; `path` is where it was written."""

    route: Sequence[Json]
    matches: Sequence[Json]
    resource: Resource
    path: Path


def rules(service: VirtualService, kind: Literal["tcp", "tls"]) -> Iterator[Rule]:
    resource = service.resource
    for number, written in enumerate(resource.spec.get(kind) or []):
        route = [_with_full_name(part, resource.namespace) for part in written.get("route") or []]
        if route:
            matches = [_with_gateways(match, resource.namespace) for match in written.get("match") or []]
            yield Rule(route, matches, resource, ("spec", kind, number))


def _with_full_name(part: Json, namespace: str) -> Json:
    destination = part["destination"]
    return {**part, "destination": {**destination, "host": names.resolve(destination["host"], namespace)}}


def _with_gateways(match: Json, namespace: str) -> Json:
    return {**match, "gateways": [names.gateway(g, namespace) for g in match.get("gateways") or []]}


def applies(match: Json, listener: Listener) -> bool:
    """What can be told of a sidecar's connection beforehand; unlike with HTTP, all conditions count."""
    gateways = match.get("gateways")
    return (
        match.get("port") in (None, listener.port)
        and (not gateways or not listener.gateways.isdisjoint(gateways))
        and selects(match.get("sourceLabels"), listener.proxy.labels)
        and match.get("sourceNamespace") in (None, "", listener.proxy.namespace)
    )


def closest(subnets: Sequence[str], service: Service) -> int:
    """The length of the longest prefix that has an address of the service; -1 for none."""
    written = (service.cluster_ip, *service.addresses)
    addresses = [ip_network(address, strict=False).network_address for address in written if address]
    nets = (ip_network(subnet, strict=False) for subnet in subnets)
    return max((net.prefixlen for net in nets for address in addresses if address in net), default=-1)


def forwarded(view: View, listener: Listener, route: Sequence[Json]) -> Json:
    """One cluster, or several by weight; a service with one port is meant at that port."""
    return destinations.routed(view, listener, [_with_port(view, part) for part in route])


def _with_port(view: View, part: Json) -> Json:
    destination = part["destination"]
    service = view.service(destination["host"])
    if destination.get("port") or service is None or len(service.ports) != 1:
        return part
    return {**part, "destination": {**destination, "port": {"number": service.ports[0].number}}}


def limits(view: View, host: str) -> tuple[str | None, str | None]:
    """Idle time and longest life of a connection: those of the first destination's rule as a whole.

    Istio reads neither port-level settings nor subsets for them.
    """
    tcp = (rule_for(view, host).policy.get("connectionPool") or {}).get("tcp") or {}
    idle, life = tcp.get("idleTimeout"), tcp.get("maxConnectionDuration")
    return (durations.envoy(idle) if idle else None, durations.envoy(life) if life else None)


def pinned(view: View, host: str, port: int, subset: str = "") -> bool:
    """Whether connections of one client go to one pod."""
    balancer = traffic_policy(view, host, port, subset).get("loadBalancer") or {}
    return bool((balancer.get("consistentHash") or {}).get("useSourceIp"))


def tcp_proxy(view: View, listener: Listener, rule: Rule) -> Json:
    """The network filter that carries out a rule."""
    clusters = forwarded(view, listener, rule.route)
    first = rule.route[0]["destination"]
    name = clusters.get("cluster") or f"{rule.resource.name}.{rule.resource.namespace}"
    config: Json = {
        "stat_prefix": name,
        **clusters,
        "access_log": [*access_logs(view, "CLIENT"), *istio_metrics.loggers(view, "CLIENT", "tcp")],
    }
    idle, life = limits(view, first["host"])
    if idle:
        config["idle_timeout"] = idle
    if life:
        config["max_downstream_connection_duration"] = life
    subset = first.get("subset") or "" if len(rule.route) == 1 else ""
    if pinned(view, first["host"], listener.port, subset):
        config["hash_policy"] = [{"source_ip": {}}]
    return filter_("envoy.filters.network.tcp_proxy", _TCP_PROXY, **config)
