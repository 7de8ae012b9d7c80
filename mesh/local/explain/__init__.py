"""Says what would become of a request: its route and who wrote it, its destination, who would refuse it.

Pure. Routes and policies are evaluated on the very resources that Envoy is given, so that the answer is
Envoy's as far as its matchers are told here truly; the tests ask both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

import msgspec

from mesh.local.envoy import gateway, outbound
from mesh.local.envoy.servers import servers, serves
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import Route
from mesh.local.explain import connections, matching, policies
from mesh.local.explain.answer import Explanation
from mesh.local.explain.forwarding import carried_out
from mesh.local.explain.matching import best_domain
from mesh.local.explain.request import Request, by_tunnel, normalised, parse
from mesh.local.explain.targets import INSIDE
from mesh.local.explain.telemetry import told
from mesh.local.explain.tunnels import tunnelled
from mesh.local.inside import is_inside
from mesh.local.model import Config, Json, Proxy, Registry

__all__ = ["Explanation", "explain"]


def explain(
    proxy: Proxy,
    config: Config,
    registry: Registry,
    jwks: Mapping[str, str],
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    claims: Json | None = None,
) -> Explanation:
    """What becomes of a request that `proxy`'s pod sends, or that reaches a gateway from the world.

    `claims` are those of a valid token; without them a bearer token among the headers is read, its
    signature unchecked. A URL `tcp://HOST:PORT` or `tls://NAME:PORT` asks about a connection, and so does an
    `https` URL of a sidecar's pod.
    """
    view = View(proxy, config, registry, jwks)
    asked = parse(method, url, headers)
    request = normalised(asked if proxy.kind == "gateway" else by_tunnel(asked), view.mesh)
    request = replace(request, token=claims if claims is not None else policies.token_claims(request))
    found = _at_gateway(view, request) if proxy.kind == "gateway" else _at_sidecar(view, request)
    return msgspec.structs.replace(found, told=told(view))


def _at_sidecar(view: View, request: Request) -> Explanation:
    hosts = list(outbound.virtual_hosts(view))
    by_domain = {domain.lower(): host for host in hosts for domain in host.domains}
    authority = request.authority.lower()
    domain = best_domain(authority, by_domain)
    if domain is None:
        if view.registry_only:
            reason = f"the host is in no registry and the mesh is closed{_near(authority, by_domain)}"
            return Explanation("answered", reason, 502)
        if is_inside(request.host, request.service_port):
            return Explanation("answered", INSIDE, 403, authority=authority, path=request.path)
        reason = f"the host is in no registry{_near(authority, by_domain)}"
        return Explanation("passed on", reason, authority=authority, path=request.path)
    host = by_domain[domain]
    if request.scheme in connections.SCHEMES:
        return connections.at_sidecar(view, request, host)
    if request.method == "CONNECT":
        return tunnelled(view, request, host)
    return _routed(view, request, host.name, host.routes)


def _at_gateway(view: View, request: Request) -> Explanation:
    if request.scheme in connections.SCHEMES:
        return connections.at_gateway(view, request)
    port, secure = request.service_port, request.scheme == "https"
    # the port of the Gateway, or the one behind it, which is what the public address names
    group = [
        found
        for found in servers(view)
        if found.carries_http and port in (found.port, found.bind_port) and found.https == secure
    ]
    if secure:
        group = [server for server in group if serves(server, request.host)][:1]
    if not group:
        return Explanation("failed", f"no server of a Gateway takes {request.scheme} on port {port}")
    hosts = list(gateway.virtual_hosts(view, group))
    by_domain = {domain: host for host in hosts for domain in host.domains}
    domain = best_domain(request.host, by_domain)
    name = by_domain[domain].name if domain is not None else ""
    request = replace(request, claims=policies.accepted(view, request.token))
    arrived = replace(request, port=group[0].bind_port, server_name=request.host)
    verdict = policies.authentication(view, request.token)
    verdict = verdict or policies.authorization(view, arrived, http=True)
    if not verdict.allowed:  # before anything is routed
        return Explanation("denied", verdict.reason, verdict.status, name, edge=verdict)
    if domain is None:
        return Explanation("answered", "no VirtualService of the gateway has this host", 404, edge=verdict)
    host = by_domain[domain]
    if host.redirects and not secure:
        location = f"https://{request.authority}{request.path}"
        reason = "the server redirects to https"
        return Explanation("answered", reason, 301, name, location=location, edge=verdict)
    request = replace(request, token=policies.passed_on(view, request.token))
    answer = _routed(view, request, host.name, host.routes)
    return msgspec.structs.replace(answer, edge=verdict)


def _near(authority: str, domains: Iterable[str]) -> str:
    """The name that was perhaps meant."""
    close = get_close_matches(authority, sorted(domains), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _routed(view: View, request: Request, host: str, routes: Sequence[Route]) -> Explanation:
    for route in routes:
        if matching.route(route.envoy["match"], request):
            return carried_out(view, request, host, route)
    return Explanation("answered", "no rule of the VirtualService matches (NR)", 404, host)
