"""VirtualService: which one answers for a host, and its `http` rules as Envoy routes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mesh.local.envoy import destinations, names
from mesh.local.envoy.actions import action
from mesh.local.envoy.delegates import Path, Rule, VirtualService, virtual_services
from mesh.local.envoy.matches import Listener, applies, catches_all, route_match
from mesh.local.envoy.retries import retry_policy
from mesh.local.envoy.view import View
from mesh.local.model import Json, Resource

MESH = frozenset({"mesh"})


@dataclass(frozen=True)
class Route:
    """An Envoy route and where the `http` rule behind it was written (`resource` is None for a default)."""

    envoy: Json
    resource: Resource | None = None
    path: Path = ()
    owner: Resource | None = None


def visible(view: View, gateways: frozenset[str] = MESH) -> list[VirtualService]:
    """Those that a proxy obeys on these gateways: private first, then named exports, then public ones."""
    if view.scope.hosts is not None:
        return _visible(view, gateways)
    remembered = view.config.remembered
    key = ("visible", view.proxy.namespace, gateways)
    if key not in remembered:
        remembered[key] = _visible(view, gateways)
    found: list[VirtualService] = remembered[key]
    return found


def _visible(view: View, gateways: frozenset[str]) -> list[VirtualService]:
    groups: dict[str, list[VirtualService]] = {"private": [], "named": [], "public": []}
    for candidate in virtual_services(view.config):
        if gateways.isdisjoint(candidate.gateways):
            continue
        resource = candidate.resource
        if not view.scope.takes(resource, candidate.hosts):
            continue
        targets = resource.spec.get("exportTo") or view.mesh.export_virtual_services
        if "*" in targets:
            groups["public"].append(candidate)
        elif view.proxy.namespace in targets:
            groups["named"].append(candidate)
        elif "." in targets and resource.namespace == view.proxy.namespace:
            groups["private"].append(candidate)
    return [*groups["private"], *groups["named"], *groups["public"]]


class Owners:
    """Who answers for a host: those that name it, else those with its most specific wildcard.

    The first whose rules mean a client and a port has the word there.
    """

    def __init__(self, candidates: Sequence[VirtualService]) -> None:
        self._by_host: dict[str, list[VirtualService]] = {}
        for candidate in candidates:
            for host in candidate.hosts:
                self._by_host.setdefault(host, []).append(candidate)
        wildcards = (host for host in self._by_host if host.startswith("*"))
        self._wildcards = sorted(wildcards, key=len, reverse=True)

    def of(self, hostname: str) -> Sequence[VirtualService]:
        exact = self._by_host.get(hostname)
        if exact is not None:
            return exact
        wildcard = next((host for host in self._wildcards if covers(host, hostname)), None)
        return () if wildcard is None else self._by_host[wildcard]


def covers(pattern: str, host: str) -> bool:
    return pattern == host or (pattern.startswith("*") and host.endswith(pattern[1:]))


def routes(view: View, listener: Listener, service: VirtualService) -> list[Route]:
    """One VirtualService's routes up to the first that catches everything; none when no rule is meant."""
    made: list[Route] = []
    for route in _routes(view, listener, service):
        made.append(route)
        if catches_all(route.envoy["match"]):
            break
    return made


def merged(view: View, listener: Listener, services: Sequence[VirtualService]) -> list[Route]:
    """Of several that share a host on a gateway: in order, those that catch everything last."""
    every = [route for service in services for route in routes(view, listener, service)]
    last = [route for route in every if catches_all(route.envoy["match"])]
    return [route for route in every if not catches_all(route.envoy["match"])] + last[:1]


def _routes(view: View, listener: Listener, service: VirtualService) -> Iterator[Route]:
    for rule in service.rules:
        matches = [match for match in rule.http.get("match") or [{}] if applies(match, listener)]
        acted = action(view, listener, rule.http) if matches else {}  # the same whatever was matched
        for match in matches:
            envoy = _route(view, listener, service.resource, rule, match, acted)
            yield Route(envoy, rule.resource, rule.path_of(match), service.resource)


def _route(view: View, listener: Listener, owner: Resource, rule: Rule, match: Json, acted: Json) -> Json:
    http = rule.http
    made: Json = {
        "match": route_match(match),
        **acted,
        "metadata": {"filter_metadata": {"istio": {"config": names.config_path(owner)}}},
        "decorator": {"operation": _operation(view, listener, owner, http, match)},
    }
    if http.get("name"):
        parts = [http["name"], match.get("name")]
        made["name"] = ".".join(part for part in parts if part)
    if match.get("statPrefix"):
        made["stat_prefix"] = match["statPrefix"]
    return made


def _operation(view: View, listener: Listener, owner: Resource, http: Json, match: Json) -> str:
    uri = match.get("uri") or {}
    path = uri.get("exact") or uri.get("regex") or f"{uri.get('prefix') or '/'}*"
    route = http.get("route") or []
    if len(route) == 1 and not http.get("redirect") and not http.get("directResponse"):
        destination = route[0]["destination"]
        return f"{destination['host']}:{destinations.port_of(view, listener, destination)}{path}"
    return f"{owner.name}:{listener.port}{path}"


def default_route(view: View, hostname: str, port: int) -> Route:
    """What a service's port answers with when no VirtualService speaks for it."""
    forward: Json = {
        "cluster": names.outbound_cluster(hostname, port),
        "timeout": "0s",
        "max_grpc_timeout": "0s",
    }
    if retries := retry_policy(view.mesh, None):
        forward["retry_policy"] = retries
    listener = Listener(view.proxy, port, MESH)
    if hashed := destinations.hash_policies(view, listener, [{"destination": {"host": hostname}}]):
        forward["hash_policy"] = hashed
    return Route(
        {
            "name": "default",
            "match": {"prefix": "/"},
            "route": forward,
            "decorator": {"operation": f"{hostname}:{port}/*"},
        }
    )
