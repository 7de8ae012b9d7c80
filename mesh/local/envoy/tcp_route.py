"""A sidecar's way to a TCP port: the routes of a CONNECT, and of HTTP that somebody sends there all the same.

What Istio tells by a connection's destination address is told here by the Service's, so every rule is chosen
beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.envoy import l4, tls_route
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import MESH, Route, covers, default_route
from mesh.local.model import Json, Service, ServicePort


def routes(
    view: View, service: Service, port: ServicePort, candidates: Sequence[VirtualService]
) -> list[Route]:
    """The tunnel first; `candidates` are the VirtualServices that the proxy obeys, in order."""
    over = [one for one in candidates if any(covers(host, service.hostname) for host in one.hosts)]
    plain = default_route(view, service.hostname, port.number)
    if port.tls:
        if not tls_route.chosen(view, service, port.number, over):
            return [Route(tunnel(plain.envoy["route"])), plain]
        inside = {"cluster": tls_route.cluster_name(service, port.number)}
        return [Route(tunnel(inside)), Route({**plain.envoy, "route": {**plain.envoy["route"], **inside}})]
    rule = chosen(view, service, port.number, over)
    if rule is None:
        return [Route(_limited(view, service.hostname, port.number, plain.envoy["route"])), plain]
    forward = l4.forwarded(view, Listener(view.proxy, port.number, MESH), rule.route)
    first = rule.route[0]["destination"]
    subset = first.get("subset") or "" if len(rule.route) == 1 else ""
    connect = _limited(view, first["host"], port.number, forward, subset)
    http = {"match": {"prefix": "/"}, "route": {**forward, "timeout": "0s"}}
    return [Route(made, rule.resource, rule.path) for made in (connect, http)]


def chosen(view: View, service: Service, port: int, over: Sequence[VirtualService]) -> l4.Rule | None:
    """The rule that a connection obeys, or None: by the longest subnet, else the first without one."""
    listener = Listener(view.proxy, port, MESH)
    nearest: tuple[int, l4.Rule] | None = None
    for rule in (rule for one in over for rule in l4.rules(one, "tcp")):
        meant = [match for match in rule.matches if l4.applies(match, listener)]
        if not rule.matches or any(not match.get("destinationSubnets") for match in meant):
            return nearest[1] if nearest else rule
        for match in meant:
            length = l4.closest(match["destinationSubnets"], service)
            if length >= 0 and (nearest is None or length > nearest[0]):
                nearest = (length, rule)
    return nearest[1] if nearest else None


def _limited(view: View, host: str, port: int, forward: Json, subset: str = "") -> Json:
    """A tunnel with what the destination's rule says of its connections."""
    made = tunnel(forward)
    idle, life = l4.limits(view, host)
    if idle:
        made["route"]["idle_timeout"] = idle
    if life:
        made["route"]["max_stream_duration"] = {"max_stream_duration": life}
    if l4.pinned(view, host, port, subset):
        made["route"]["hash_policy"] = [{"connection_properties": {"source_ip": True}}]
    return made


def tunnel(forward: Json, name: str = "connect") -> Json:
    """A CONNECT that ends here: what it carries goes to the cluster, or the clusters, of `forward`."""
    clusters: Json = {key: forward[key] for key in ("cluster", "weighted_clusters") if key in forward}
    upgrade = {"upgrade_type": "CONNECT", "connect_config": {}}
    action = {**clusters, "timeout": "0s", "upgrade_configs": [upgrade]}
    return {"name": name, "match": {"connect_matcher": {}}, "route": action}
