"""EnvoyFilters of the mesh: what no iptables do here, what upstream Envoy lacks, what is in force (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.envoy.fence import upstream_filters
from mesh.local.envoy.http import filter_
from mesh.local.inside import CAPTURE_PORT
from mesh.local.model import ROOT_NAMESPACE, Json, Proxy, Registry

UNIQUE = "delinkcious.io/address"  # a label that only one pod has
GENERATION = "delinkcious-generation"
STATISTICS = "generation-"
# What istiod names that is in Istio's own build of Envoy only.
LACKING = ("istio.alpn", "istio.stats", "istio.metadata_exchange", "istio.peer_metadata")
_HCM = "envoy.filters.network.http_connection_manager"


def envoy_filter(name: str, namespace: str, patches: list[Json], labels: Json | None = None) -> Json:
    spec: Json = {"configPatches": patches}
    if labels:
        spec["workloadSelector"] = {"labels": labels}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def generation(number: int) -> Json:
    """A cluster whose statistics tell which generation of the configuration a proxy has."""
    value = {
        "name": GENERATION,
        "type": "STATIC",
        "alt_stat_name": f"{STATISTICS}{number}",
        "load_assignment": {"cluster_name": GENERATION},
    }
    patch = {"applyTo": "CLUSTER", "match": {"context": "ANY"}, "patch": {"operation": "ADD", "value": value}}
    return envoy_filter(GENERATION, ROOT_NAMESPACE, [patch])


def upstream_envoy() -> Json:
    """Takes out of every proxy what upstream Envoy would refuse."""
    patches: list[Json] = []
    for name in LACKING:
        filter_: Json = {"filter": {"name": _HCM, "subFilter": {"name": name}}}
        patches.append(_patch("HTTP_FILTER", {"listener": {"filterChain": filter_}}, "REMOVE"))
        network: Json = {"listener": {"filterChain": {"filter": {"name": name}}}}
        patches.append(_patch("NETWORK_FILTER", network, "REMOVE"))
    return envoy_filter("upstream-envoy", ROOT_NAMESPACE, patches)


def fence() -> Json:
    """Keeps requests out of the insides of pods, whatever DNS or an address in a request says."""
    router = filter_(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        upstream_http_filters=upstream_filters(),
    )
    last = {"filter": {"name": _HCM, "subFilter": {"name": router["name"]}}}
    contexts = ("SIDECAR_OUTBOUND", "GATEWAY")
    matches: list[Json] = [{"context": one, "listener": {"filterChain": last}} for one in contexts]
    patches = [_patch("HTTP_FILTER", match, "MERGE", router) for match in matches]
    return envoy_filter("insides-of-pods", ROOT_NAMESPACE, patches)


def of_proxy(proxy: Proxy, registry: Registry) -> Json:
    """Moves what istiod binds to every address to those of this very pod."""
    patches = list(_of_gateway(proxy, registry) if proxy.kind == "gateway" else _of_sidecar(proxy, registry))
    return envoy_filter(f"pod-{proxy.ip}", proxy.namespace, patches, {UNIQUE: proxy.ip})


def _patch(apply_to: str, match: Json, operation: str, value: Json | None = None) -> Json:
    patch: Json = {"operation": operation}
    if value is not None:
        patch["value"] = value
    return {"applyTo": apply_to, "match": match, "patch": patch}


def _socket(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _of_sidecar(proxy: Proxy, registry: Registry) -> Iterator[Json]:
    numbers = [port.number for port in proxy.ports]
    inbound = {"context": "SIDECAR_INBOUND", "listener": {"name": "virtualInbound"}}
    value: Json = {"address": _socket(proxy.ip, numbers[0] if numbers else 15006)}
    if numbers[1:]:
        value["additional_addresses"] = [{"address": _socket(proxy.ip, number)} for number in numbers[1:]]
    yield _patch("LISTENER", inbound, "MERGE", value)
    for number in numbers:
        yield _patch(
            "CLUSTER",
            {"context": "SIDECAR_INBOUND", "cluster": {"name": f"inbound|{number}||"}},
            "MERGE",
            _process(proxy, number),
        )
    outbound = {"context": "SIDECAR_OUTBOUND", "listener": {"name": "virtualOutbound"}}
    yield _patch("LISTENER", outbound, "MERGE", {"address": _socket(proxy.ip, CAPTURE_PORT)})
    yield _patch("LISTENER_FILTER", outbound, "INSERT_FIRST", _PROXY_PROTOCOL)


def _process(proxy: Proxy, number: int) -> Json:
    """The process behind the sidecar, which istiod takes to be where the connection was going."""
    name = f"inbound|{number}||"
    endpoint = {"endpoint": {"address": _socket(proxy.app_ip, number)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"type": "STATIC", "lb_policy": "LEAST_REQUEST", "load_assignment": assignment}


def _of_gateway(proxy: Proxy, registry: Registry) -> Iterator[Json]:
    public = [
        service.public_ip
        for service in registry.services
        if service.public_ip
        and any(endpoint.address == proxy.ip for endpoint in registry.endpoints_of(service))
    ]
    for port in proxy.ports:
        value: Json = {"address": _socket(proxy.ip, port.number)}
        if public:
            value["additional_addresses"] = [{"address": _socket(ip, port.number)} for ip in public]
        match = {"context": "GATEWAY", "listener": {"portNumber": port.number}}
        yield _patch("LISTENER", match, "MERGE", value)


_PROXY_PROTOCOL: Json = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
    },
}
