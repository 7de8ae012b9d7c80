"""What a proxy has and where each part of it was written: listeners, routes, clusters, policies."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mesh.local import templates
from mesh.local.envoy import authorization_policy, gateway, outbound, request_authentication, servers, tls
from mesh.local.envoy.clusters import outbound as outbound_clusters
from mesh.local.envoy.destination_rule import rule_for
from mesh.local.envoy.inbound_ports import InboundPort, inbound_ports
from mesh.local.envoy.peer_authentication import mode_of
from mesh.local.envoy.view import View, selects
from mesh.local.envoy.virtual_service import Route
from mesh.local.explain.answer import Place
from mesh.local.explain.policies import place
from mesh.local.model import ROOT_NAMESPACE, Json, Resource, Service


class Part(msgspec.Struct, frozen=True):
    """One thing of a proxy: its name in Envoy, what it does in a few words, and who wrote it (or nobody)."""

    name: str
    about: str
    places: tuple[Place, ...] = ()


class Origins(msgspec.Struct, frozen=True):
    listeners: tuple[Part, ...]
    routes: tuple[Part, ...]
    clusters: tuple[Part, ...]
    policies: tuple[Part, ...]


def origins(view: View) -> Origins:
    """Everything of one proxy, in the order in which a request meets it."""
    edge = view.proxy.kind == "gateway"
    return Origins(
        listeners=tuple(_servers(view) if edge else _listeners(view)),
        routes=tuple(_gateway_routes(view) if edge else _sidecar_routes(view)),
        clusters=tuple(_clusters(view)),
        policies=tuple(_policies(view)),
    )


def _servers(view: View) -> Iterator[Part]:
    for server in servers.servers(view):
        written = server.gateway.spec["servers"]
        at = place(server.gateway, "spec", "servers", written.index(server.spec))
        hosts = ", ".join(server.spec.get("hosts") or [])
        secure = server.transport == "tls"
        mode = f", TLS {server.spec['tls'].get('mode', 'PASSTHROUGH')}" if secure else ""
        about = f"{server.spec['port']['protocol']} for {hosts}{mode}"
        yield Part(f"{view.proxy.ip}:{server.bind_port}", about, (at,))


def _listeners(view: View) -> Iterator[Part]:
    proxy = view.proxy
    known = (view.config.get(kind, proxy.namespace, proxy.workload) for kind in templates.PATHS)
    workload = next((one for one in known if one is not None), None)
    own = () if workload is None else (place(workload, *templates.path(workload), "spec"),)
    for port in inbound_ports(view):
        mode = mode_of(view.config, proxy.namespace, proxy.labels, port.number)
        name = f" of {_served(port)}" if port.served else ""
        about = f"inbound {port.protocol}{name}, mutual TLS {mode}"
        yield Part(f"{proxy.ip}:{port.number}", about, own)
    host, number = proxy.egress
    yield Part(f"{host}:{number}", "outbound: the proxy that the process's own calls go through")


def _served(port: InboundPort) -> str:
    if port.served is None:
        return ""
    service, served = port.served
    return f"{service.declared[0]} {service.name}:{served.number}"


def _sidecar_routes(view: View) -> Iterator[Part]:
    for host in outbound.virtual_hosts(view):
        for route in host.routes:
            yield _route(host.name, route)


def _gateway_routes(view: View) -> Iterator[Part]:
    groups: dict[str, list[servers.Server]] = {}
    for server in servers.servers(view):
        if server.carries_http:
            groups.setdefault(server.route_name, []).append(server)
    for group in groups.values():
        for host in gateway.virtual_hosts(view, group):
            if host.redirects:
                at = tuple(place(server.gateway, "spec", "servers") for server in group)
                yield Part(f"{host.name} /*", "redirected to https", at[:1])
            else:
                for route in host.routes:
                    yield _route(host.name, route)


def _route(host: str, route: Route) -> Part:
    at = () if route.resource is None else (place(route.resource, *route.path),)
    if route.owner is not None and route.owner is not route.resource:
        at = (place(route.owner, "spec"), *at)
    return Part(f"{host} {_matched(route.envoy['match'])}", _led(route.envoy), at)


def _matched(match: Json) -> str:
    if "connect_matcher" in match:
        return "CONNECT"
    path = match.get("path") or (match.get("safe_regex") or {}).get("regex") or f"{match.get('prefix', '/')}*"
    conditions = [header["name"] for header in match.get("headers") or []]
    conditions += [f"?{parameter['name']}" for parameter in match.get("query_parameters") or []]
    return f"{path} [{', '.join(conditions)}]" if conditions else str(path)


def _led(envoy: Json) -> str:
    if "redirect" in envoy:
        return "redirected"
    if "direct_response" in envoy:
        return f"answered {envoy['direct_response']['status']} by the proxy"
    action = envoy["route"]
    weighted = (action.get("weighted_clusters") or {}).get("clusters")
    if weighted:
        total = sum(part["weight"] for part in weighted)
        return ", ".join(f"{100 * part['weight'] / total:g} % to {part['name']}" for part in weighted)
    return f"to {action.get('cluster', '?')}"


def _clusters(view: View) -> Iterator[Part]:
    for name, cluster in outbound_clusters(view).items():
        _, _, subset, hostname = name.split("|")
        service = view.service(hostname)
        endpoints = sum(
            len(group.get("lb_endpoints") or [])
            for group in (cluster.get("load_assignment") or {}).get("endpoints") or []
        )
        about = f"{_counted(service, endpoints)}, {tls.spoken(cluster)}"
        written = view.config.get(*service.resource) if service else None
        at = () if written is None else (place(written),)
        yield Part(name, about, (*at, *_rules(view, hostname, subset)))


def _counted(service: Service | None, endpoints: int) -> str:
    if service is not None and service.resolution == "NONE":
        return "wherever the request says"
    what = "pod" if service is None or service.declared[0] == "Service" else "endpoint"
    return f"{endpoints} {what}{'' if endpoints == 1 else 's'}"


def _rules(view: View, hostname: str, subset: str) -> Iterator[Place]:
    for resource in rule_for(view, hostname).resources:
        subsets = [part.get("name") for part in resource.spec.get("subsets") or []]
        if subset in subsets:
            yield place(resource, "spec", "subsets", subsets.index(subset))
        elif not subset:
            yield place(resource, "spec")


def _policies(view: View) -> Iterator[Part]:
    for resource in view.config.of("PeerAuthentication"):
        if resource.namespace in (ROOT_NAMESPACE, view.proxy.namespace) and selects(
            (resource.spec.get("selector") or {}).get("matchLabels"), view.proxy.labels
        ):
            mode = (resource.spec.get("mtls") or {}).get("mode") or "UNSET"
            yield _policy(resource, f"mutual TLS {mode}")
    for resource in request_authentication.policies(view):
        issuers = [str(rule.get("issuer", "")) for rule in resource.spec.get("jwtRules") or []]
        yield _policy(resource, f"tokens of {', '.join(issuers) or 'nobody'}")
    for action in authorization_policy.ORDER:
        for resource in authorization_policy.policies(view, action):
            rules = len(resource.spec.get("rules") or [])
            dry = ", dry run" if authorization_policy.dry_run(resource) else ""
            yield _policy(resource, f"{action}: {rules} rule{'' if rules == 1 else 's'}{dry}")


def _policy(resource: Resource, about: str) -> Part:
    return Part(f"{resource.kind} {resource.namespace}/{resource.name}", about, (place(resource),))
