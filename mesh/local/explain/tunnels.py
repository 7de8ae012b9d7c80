"""What becomes of a CONNECT to a sidecar's egress proxy: how a program reaches what is no HTTP."""

from __future__ import annotations

import msgspec

from mesh.local.envoy import outbound
from mesh.local.envoy.istio_metrics import ROUND
from mesh.local.envoy.names import PASSTHROUGH
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import Route
from mesh.local.explain import matching
from mesh.local.explain.answer import Explanation
from mesh.local.explain.forwarding import carried_out
from mesh.local.explain.request import Request, best_domain

COMES_BACK = "a tunnel to an HTTP port: what comes through it is routed request by request, as without it"


def tunnelled(view: View, request: Request) -> Explanation:
    """The explanation of a TCP connection to `request.authority`, HOST:PORT."""
    [table] = outbound.route_configurations(view).values()
    hosts = table["virtual_hosts"]
    by_domain = {domain.lower(): host for host in hosts for domain in host["domains"]}
    domain = best_domain(request.authority.lower(), by_domain) or "*"
    host = by_domain[domain]
    for envoy in host["routes"]:
        if matching.route(envoy["match"], request):
            return _led(view, request, host["name"], Route(envoy))
    return Explanation("answered", "no route takes a tunnel there (NR)", 404, host["name"])


def _led(view: View, request: Request, host: str, route: Route) -> Explanation:
    cluster = (route.envoy.get("route") or {}).get("cluster", "")
    if cluster == ROUND:
        name = route.envoy.get("name", "")
        return Explanation("forwarded", COMES_BACK, None, host, name, authority=request.authority)
    if cluster == PASSTHROUGH:
        return Explanation("passed on", "the host is in no registry", authority=request.authority)
    found = carried_out(view, request, host, route)
    # Sent to nobody as a request: there is no path.
    return msgspec.structs.replace(found, path="")
