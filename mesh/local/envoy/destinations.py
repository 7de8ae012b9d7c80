"""Where a route sends its requests: clusters, weights, mirrors, and how a client is pinned to a pod."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.envoy import durations, headers, names
from mesh.local.envoy.destination_rule import traffic_policy
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.view import View
from mesh.local.model import Json

MILLION = 1_000_000


def port_of(view: View, listener: Listener, destination: Json) -> int:
    """The service port: as written, else the listener's; a gateway takes a service's only port."""
    if written := (destination.get("port") or {}).get("number"):
        return int(written)
    service = view.service(destination["host"])
    if listener.edge and service and len(service.ports) == 1:
        return service.ports[0].number
    return listener.port


def cluster_of(view: View, listener: Listener, destination: Json) -> str:
    port = port_of(view, listener, destination)
    return names.outbound_cluster(destination["host"], port, destination.get("subset") or "")


def routed(view: View, listener: Listener, route: Sequence[Json]) -> Json:
    """The cluster part of a RouteAction: one cluster, or several by weight (those of weight 0 left out)."""
    if len(route) == 1:
        return {"cluster": cluster_of(view, listener, route[0]["destination"])}
    weighted = [_weighted(view, listener, part) for part in route if int(part.get("weight") or 0) > 0]
    if not weighted:  # nothing can be chosen; validation refuses this
        return {"cluster": cluster_of(view, listener, route[0]["destination"])}
    return {"weighted_clusters": {"clusters": weighted}}


def _weighted(view: View, listener: Listener, part: Json) -> Json:
    made = {
        "name": cluster_of(view, listener, part["destination"]),
        "weight": int(part["weight"]),
        **headers.operations(part.get("headers")),
    }
    host = headers.host_of(part.get("headers"))
    return {**made, "host_rewrite_literal": host} if host else made


def hash_policies(view: View, listener: Listener, route: Sequence[Json]) -> list[Json]:
    """The hash policy of the first destination whose DestinationRule asks for one."""
    for part in route:
        destination = part["destination"]
        port = port_of(view, listener, destination)
        policy = traffic_policy(view, destination["host"], port, destination.get("subset") or "")
        if policies := hash_policy((policy.get("loadBalancer") or {}).get("consistentHash")):
            return policies
    return []


def hash_policy(written: Json | None) -> list[Json]:
    """The RouteAction's `hash_policy` for a `consistentHash`."""
    if not written:
        return []
    if name := written.get("httpHeaderName"):
        return [{"header": {"header_name": name}}]
    if cookie := written.get("httpCookie"):
        made: Json = {"name": cookie["name"]}
        if cookie.get("path"):
            made["path"] = cookie["path"]
        if cookie.get("ttl") is not None:
            made["ttl"] = durations.envoy(cookie["ttl"])
        if cookie.get("attributes"):
            made["attributes"] = cookie["attributes"]
        return [{"cookie": made}]
    if written.get("useSourceIp"):
        return [{"connection_properties": {"source_ip": True}}]
    if name := written.get("httpQueryParameterName"):
        return [{"query_parameter": {"name": name}}]
    return []


def mirrors(view: View, listener: Listener, http: Json) -> list[Json]:
    """Who gets a copy of the request, and of how many requests."""
    written = list(http.get("mirrors") or [])
    if http.get("mirror"):
        written = [{"destination": http["mirror"], "percentage": http.get("mirrorPercentage")}]
    return [
        {
            "cluster": cluster_of(view, listener, part["destination"]),
            "runtime_fraction": {"default_value": fraction(part.get("percentage"), default=100)},
            "trace_sampled": False,
            "disable_shadow_host_suffix_append": True,
        }
        for part in written
        if part.get("percentage") is None or percent(part["percentage"]) > 0
    ]


def percent(written: Json | None, default: float = 0) -> float:
    """The value of a Percent: an absent object is the default, an object without a value is 0."""
    return default if written is None else float(written.get("value") or 0)


def fraction(written: Json | None, default: float = 0) -> Json:
    """A FractionalPercent in millionths."""
    return {"numerator": round(percent(written, default) * MILLION / 100), "denominator": "MILLION"}
