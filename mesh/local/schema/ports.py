"""Ports as ServiceEntries and Sidecars declare them."""

from __future__ import annotations

from mesh.local.schema.http_match import PORT
from mesh.local.schema.language import Int, Message, Text
from mesh.local.schema.text import is_label

_PROTOCOLS = "HTTP, HTTP2, HTTPS, HTTP_PROXY, TLS, TCP, UDP, GRPC, GRPC-Web, MONGO, REDIS, MYSQL".split(", ")  # noqa: SIM905
_KNOWN = frozenset(word.lower() for word in _PROTOCOLS)
TLS_PROTOCOLS = frozenset({"https", "tls"})
HTTP_PROTOCOLS = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web"})


def port_name(text: str) -> str | None:
    return None if is_label(text) else f"invalid port name: {text}"


def protocol(text: str) -> str | None:
    """Empty is as if nothing were said."""
    if not text or text.lower() in _KNOWN:
        return None
    return f"unsupported protocol: {text}; known are {', '.join(_PROTOCOLS)}"


PORT_NAME = Text(port_name)
PROTOCOL = Text(protocol)
SERVICE_PORT = Message(
    {
        "number": PORT,
        "name": PORT_NAME,
        "protocol": PROTOCOL,
        "targetPort": Int(0, 65535, "port number {} must be in the range 1..65535"),
    },
    required=["number", "name"],
)
SIDECAR_PORT = Message(
    {
        "number": PORT,
        "name": Text(lambda text: port_name(text) if text else None),
        "protocol": PROTOCOL,
        "targetPort": Int(0, 0, "targetPort has no impact on Sidecars"),
    },
    required=["number", "protocol"],
)
