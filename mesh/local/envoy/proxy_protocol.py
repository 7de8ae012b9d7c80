"""The PROXY protocol: a line before everything else that says who really connects."""

from __future__ import annotations

from mesh.local.envoy import tls
from mesh.local.envoy.http import filter_
from mesh.local.model import Json

_UPSTREAM = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
LISTENER_FILTER = filter_(
    "envoy.filters.listener.proxy_protocol",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
)


def wrapped(sockets: Json, written: Json | None) -> Json:
    """The transport sockets of a cluster, each with the line before it where a rule asks for it."""
    if written is None:
        return sockets
    version = written.get("version") or "V1"
    if matches := sockets.get("transport_socket_matches"):
        made = [{**one, "transport_socket": _around(one["transport_socket"], version)} for one in matches]
        return {**sockets, "transport_socket_matches": made}
    return {**sockets, "transport_socket": _around(sockets.get("transport_socket", tls.RAW_BUFFER), version)}


def _around(socket: Json, version: str) -> Json:
    config = {
        "@type": f"type.googleapis.com/{_UPSTREAM}",
        "config": {"version": version},
        "transport_socket": socket,
    }
    return {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": config}
