"""What becomes of a CONNECT to a sidecar's egress proxy: how a program reaches what is no HTTP."""

from __future__ import annotations

from dataclasses import replace

from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_host import VirtualHost
from mesh.local.explain import connections
from mesh.local.explain.answer import Explanation
from mesh.local.explain.request import Request

COMES_BACK = "a tunnel to an HTTP port: what comes through it is routed request by request, as without it"


def tunnelled(view: View, request: Request, host: VirtualHost) -> Explanation:
    """A TCP connection to `request.authority`, HOST:PORT, which is this virtual host."""
    port = host.service.port(int(host.name.rpartition(":")[2])) if host.service else None
    if port is not None and port.protocol == "tcp":
        return connections.at_sidecar(view, replace(request, scheme="tcp"), host)
    return Explanation("forwarded", COMES_BACK, virtual_host=host.name, authority=request.authority)
