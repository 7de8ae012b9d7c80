"""How a cluster finds its endpoints: they are listed, DNS knows them, or the request names one."""

from __future__ import annotations

from mesh.local.envoy import durations, forwarding
from mesh.local.envoy.view import View
from mesh.local.model import Json, Service

_RESOLVER = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
# Istio's first field; the others bound the time until a name that nobody answers for holds up no edit.
_CARES: Json = {
    "name": "envoy.network.dns_resolver.cares",
    "typed_config": {
        "@type": _RESOLVER,
        "udp_max_queries": 100,
        "query_timeout_seconds": 2,
        "query_tries": 2,
    },
}


def cluster_fields(view: View, service: Service, assignment: Json, balancing: Json) -> Json:
    """The type of a cluster with its endpoints and load balancer."""
    if service.resolution == "NONE":
        return forwarding.cluster_fields(own_names=True)
    if service.resolution == "STATIC":
        made: Json = {"type": "STATIC", "load_assignment": assignment, **balancing}
        if _near(assignment):
            # the pod's address, so that a policy on source.ip means the same as in a cluster
            source = {"address": view.proxy.ip, "port_value": 0}
            made["upstream_bind_config"] = {"source_address": source}
        return made
    if service.resolution == "DNS" or not assignment["endpoints"]:
        return {**by_name(view, "STRICT_DNS", assignment), **balancing}
    return {**by_name(view, "LOGICAL_DNS", _first(assignment)), **balancing}


def by_name(view: View, kind: str, assignment: Json) -> Json:
    """A cluster whose addresses DNS knows, asked again when what it said is old."""
    return {
        "type": kind,
        "load_assignment": assignment,
        "dns_lookup_family": "V4_ONLY",
        "dns_refresh_rate": durations.envoy(view.mesh.dns_refresh_rate),
        "dns_jitter": "0.100s",
        "respect_dns_ttl": True,
        "typed_dns_resolver_config": _CARES,
    }


def _first(assignment: Json) -> Json:
    """The one endpoint that a cluster of this kind may have."""
    group = assignment["endpoints"][0]
    only = {"locality": group["locality"], "lb_endpoints": group["lb_endpoints"][:1]}
    return {**assignment, "endpoints": [only]}


def _near(assignment: Json) -> bool:
    """Whether all endpoints are on loopback, where a pod's own address may speak to them."""
    return all(
        entry["endpoint"]["address"]["socket_address"]["address"].startswith("127.")
        for group in assignment["endpoints"]
        for entry in group["lb_endpoints"]
    )
