"""What Istio's and Kubernetes' names of protocols mean to a proxy that is never told by sniffing."""

from __future__ import annotations

from mesh.local.model import Protocol

# Everything else is bytes to upstream Envoy as Istio configures it: https, tls, mongo, redis, mysql, udp.
_PROTOCOLS: dict[str, Protocol] = {
    "http": "http",
    "http_proxy": "http",
    "http2": "http2",
    "grpc": "http2",
    "grpc-web": "http2",
}
_TLS = ("https", "tls")
_OF_KUBERNETES = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}


def protocol(word: str) -> Protocol:
    """How a proxy treats a port that is said to speak this."""
    return _PROTOCOLS.get(word.lower(), "tcp")


def is_tls(word: str) -> bool:
    """Whether the first bytes of a connection name a server."""
    return word.lower() in _TLS


def spoken(name: str, app_protocol: str | None) -> str:
    """What a Service's port speaks: its `appProtocol`, else its name, each up to the first dash."""
    word = name if app_protocol is None else app_protocol
    if app_protocol in _OF_KUBERNETES:
        return _OF_KUBERNETES[app_protocol]
    return "grpc-web" if word.lower().startswith("grpc-web") else word.partition("-")[0]
