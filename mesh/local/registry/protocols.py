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
_OF_KUBERNETES: dict[str, Protocol] = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http"}


def of_entry(word: str) -> Protocol:
    """The protocol of a port of a ServiceEntry or a Sidecar."""
    return _PROTOCOLS.get(word.lower(), "tcp")


def of_port(name: str, app_protocol: str | None) -> Protocol:
    """Istio's rule for a Service: `appProtocol`, else the port's name, each up to its first dash."""
    word = name if app_protocol is None else app_protocol
    if app_protocol in _OF_KUBERNETES:
        return _OF_KUBERNETES[app_protocol]
    if word.lower().startswith("grpc-web"):
        return "http2"
    return of_entry(word.partition("-")[0])


def is_tls(word: str) -> bool:
    """Whether clients speak TLS to the port, which the mesh only passes on."""
    return word.partition("-")[0].lower() in ("https", "tls")
