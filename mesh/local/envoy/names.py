"""The names that Istio gives to Envoy's resources, so that logs and config dumps line up with it."""

from __future__ import annotations

from mesh.local.model import CLUSTER_DOMAIN, Resource

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"
EGRESS_ROUTES = "http_proxy"
INTERNAL = "internal|"  # before the name of a listener inside the proxy, and of the way to it

_GROUPS = {
    "AuthorizationPolicy": "security.istio.io",
    "PeerAuthentication": "security.istio.io",
    "RequestAuthentication": "security.istio.io",
    "Telemetry": "telemetry.istio.io",
}


def outbound_cluster(hostname: str, port: int, subset: str = "") -> str:
    return f"outbound|{port}|{subset}|{hostname}"


def inbound_cluster(port: int) -> str:
    return f"inbound|{port}||"


def sni(hostname: str, port: int, subset: str = "") -> str:
    return f"outbound_.{port}_.{subset}_.{hostname}"


def config_path(resource: Resource) -> str:
    """`/apis/networking.istio.io/v1/namespaces/NS/virtual-service/NAME`, as Istio's metadata has it."""
    group = _GROUPS.get(resource.kind, "networking.istio.io")
    kind = "".join(f"-{c.lower()}" if c.isupper() else c for c in resource.kind).lstrip("-")
    return f"/apis/{group}/v1/namespaces/{resource.namespace}/{kind}/{resource.name}"


def resolve(host: str, namespace: str) -> str:
    """The host as the registry knows it: one without a dot belongs to the rule's own namespace."""
    if "." in host or "*" in host or ":" in host:
        return host
    return f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


def gateway(name: str, namespace: str) -> str:
    """`namespace/name` of a gateway that a rule of `namespace` calls `name`; `mesh` stays."""
    if name == "mesh":
        return name
    if "/" in name:
        before, _, after = name.partition("/")
        return f"{namespace}/{after}" if before == "." else name
    if "." in name:
        short, _, rest = name.partition(".")
        return f"{rest.partition('.')[0]}/{short}"
    return f"{namespace}/{name}"
