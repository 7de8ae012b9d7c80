"""Applications' way out on istiod: the same HTTP proxy as ever, whose requests are then captured (pure).

On Kubernetes iptables hand a connection to the sidecar, which asks the kernel where it was going. Here the
proxy on the egress address knows that by name. It sends each request on, inside of Envoy, as a connection to
the Service's virtual address and port, which begins with a PROXY header for the listener of istiod that takes
what is captured: so the request meets exactly what a captured one would.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from mesh.local import files
from mesh.local.envoy.fence import fence
from mesh.local.envoy.http import ROUTER, filter_
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.envoy.view import exported
from mesh.local.istiod.filters import CAPTURE_PORT
from mesh.local.model import CLUSTER_DOMAIN, Config, Json, Proxy
from mesh.local.schema.virtual_service import MESH

ROUTES = "egress"  # also the beginning of the listener's statistics
HTTP_PORT = 80
UNADDRESSED = "240.240.255.254"  # where a host goes that istiod knows by its name only
_CAPTURE, _CAPTURED, _FORWARD = "egress-capture", "egress-captured", "egress-forward"
_STATE = "envoy.filters.http.set_filter_state"
_FILTERS = "envoy.extensions.filters"
_DNS_CACHE: Json = {"name": "egress", "dns_lookup_family": "V4_PREFERRED"}
_ORIGINAL = "envoy.filters.listener.original_dst"
_ADDRESS = r"\d+\.\d+\.\d+\.\d+"
_RAW = filter_(
    "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
)
_PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
_UNFENCED: Json = {"envoy.filters.http.rbac": {"@type": _PER_ROUTE}}  # only what is forwarded is
EXTENSION = filter_(
    "envoy.bootstrap.internal_listener", "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
)


def listeners(proxy: Proxy) -> list[Json]:
    """The proxy itself, and the listener inside of Envoy that makes connections of its requests."""
    host, port = proxy.egress
    address = {"socket_address": {"address": host, "port_value": port}}
    tunnel = filter_(
        "envoy.filters.network.tcp_proxy",
        f"{_FILTERS}.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=_CAPTURED,
        cluster=_CAPTURED,
        idle_timeout="0s",
    )
    where = filter_(_ORIGINAL, f"{_FILTERS}.listener.original_dst.v3.OriginalDst")
    inside = {
        "name": _CAPTURE,
        "internal_listener": {},
        "listener_filters": [where],
        "filter_chains": [{"filters": [tunnel]}],
    }
    return [{"name": ROUTES, "address": address, "filter_chains": [{"filters": [_manager(proxy)]}]}, inside]


def _manager(proxy: Proxy) -> Json:
    """It changes as little as an HTTP proxy can: what is Istio's is done where the request is captured."""
    source = files.config_source(proxy.folder, files.routes(ROUTES))
    forward = filter_(
        "envoy.filters.http.dynamic_forward_proxy",
        f"{_FILTERS}.http.dynamic_forward_proxy.v3.FilterConfig",
        dns_cache_config=_DNS_CACHE,
        save_upstream_address=True,
    )
    state = filter_(_STATE, f"{_FILTERS}.http.set_filter_state.v3.Config")
    router = {**ROUTER, "typed_config": {**ROUTER["typed_config"], "suppress_envoy_headers": True}}
    return filter_(
        "envoy.filters.network.http_connection_manager",
        f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=ROUTES,
        rds={"config_source": source, "route_config_name": ROUTES},
        http_filters=[state, forward, fence(proxy), router],
        http_protocol_options={"accept_http_10": True},
        http2_protocol_options={"allow_connect": True},
        upgrade_configs=[{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
        generate_request_id=False,
        server_header_transformation="PASS_THROUGH",
        normalize_path=False,
        proxy_100_continue=True,
        stream_idle_timeout="0s",
    )


def clusters(proxy: Proxy) -> list[Json]:
    inside = {"envoy_internal_address": {"server_listener_name": _CAPTURE}}
    internal = filter_(
        "envoy.transport_sockets.internal_upstream",
        "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
        transport_socket=_RAW,
    )
    header = filter_(
        "envoy.transport_sockets.upstream_proxy_protocol",
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        config={"version": "V1"},
        transport_socket=_RAW,
    )
    outside = {"socket_address": {"address": proxy.ip, "port_value": CAPTURE_PORT}}
    forward = filter_(
        "envoy.clusters.dynamic_forward_proxy",
        "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        dns_cache_config=_DNS_CACHE,
    )
    return [
        {**_static(_CAPTURE, inside), **_AS_ASKED, "transport_socket": internal},
        {**_static(_CAPTURED, outside), "transport_socket": header},
        {"name": _FORWARD, "lb_policy": "CLUSTER_PROVIDED", "cluster_type": forward},
    ]


def route_configuration(namespace: str, config: Config, addresses: Mapping[str, str]) -> Json:
    """A virtual host for every port of every Service and ServiceEntry, for the pods of a namespace.

    `addresses` as in `services`.
    """
    taken: set[str] = set()
    hosts = []
    for name, address, port, domains in _destinations(namespace, config, addresses):
        if free := [domain for domain in domains if domain not in taken]:
            taken.update(free)
            hosts.append(_virtual_host(f"{name}:{port}", free, f"{address}:{port}"))
    return {
        "name": ROUTES,
        "virtual_hosts": [*hosts, _others(mesh_config(config).registry_only)],
        "validate_clusters": False,
    }


def _destinations(
    namespace: str, config: Config, addresses: Mapping[str, str]
) -> Iterator[tuple[str, str, int, list[str]]]:
    """Name, address, port and what it may be called."""
    for resource in config.of("Service"):
        if (address := addresses.get(f"{resource.namespace}/{resource.name}")) is None:
            continue
        qualified = f"{resource.name}.{resource.namespace}"
        whole = f"{qualified}.svc.{CLUSTER_DOMAIN}"
        names = [whole, f"{whole}.", qualified, f"{qualified}.svc", address]
        names += [resource.name] if resource.namespace == namespace else []
        for port in resource.spec.get("ports") or []:
            yield whole, address, int(port["port"]), _domains(names, int(port["port"]))
    for resource in config.of("ServiceEntry"):
        known = [one for one in resource.spec.get("addresses") or [] if _is_address(one)]
        for host in resource.spec.get("hosts") or []:
            for port in resource.spec.get("ports") or []:
                number = int(port["number"])
                yield host, (known or [UNADDRESSED])[0], number, _domains([host, *known], number)
    yield from _routed(namespace, config)


def _routed(namespace: str, config: Config) -> Iterator[tuple[str, str, int, list[str]]]:
    """Hosts that no Service has but a rule: istiod knows them on the HTTP port."""
    targets = mesh_config(config).export_virtual_services
    for resource in config.of("VirtualService"):
        in_mesh = MESH in (resource.spec.get("gateways") or [MESH])
        if in_mesh and resource.spec.get("http") and exported(resource, targets, namespace):
            for host in resource.spec.get("hosts") or []:
                if "." in host:
                    yield host, UNADDRESSED, HTTP_PORT, _domains([host], HTTP_PORT)


def _domains(names: Sequence[str], port: int) -> list[str]:
    return [*(names if port == HTTP_PORT else []), *(f"{name}:{port}" for name in names)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _virtual_host(name: str, domains: list[str], address: str) -> Json:
    return {
        "name": name,
        "domains": domains,
        "routes": [_tunnel(_CAPTURE), _request(_CAPTURE)],
        "typed_per_filter_config": _captured(address),
    }


def _others(registry_only: bool) -> Json:
    """Hosts that nobody has declared: by address they are captured, by name forwarded where they may be."""
    routes = []
    for pattern, address in ((rf"{_ADDRESS}:\d+", "%REQ(:AUTHORITY)%"), (_ADDRESS, "%REQ(:AUTHORITY)%:80")):
        literal = {"name": ":authority", "string_match": {"safe_regex": {"regex": pattern}}}
        for route in (_tunnel(_CAPTURE), _request(_CAPTURE)):
            match = {**route["match"], "headers": [literal]}
            routes.append({**route, "match": match, "typed_per_filter_config": _captured(address)})
    if not registry_only:
        routes += [_tunnel(_FORWARD), _request(_FORWARD)]
        return {"name": "others", "domains": ["*"], "routes": routes}
    other_port = {"name": ":authority", "string_match": {"safe_regex": {"regex": r".*:\d+"}}}
    refused: Json = {"direct_response": {"status": 502}}
    routes += [
        {"match": {"connect_matcher": {}}, **refused},
        {"match": {"prefix": "/", "headers": [other_port]}, **refused},
        {**_request(_CAPTURE), "typed_per_filter_config": _captured(f"{UNADDRESSED}:{HTTP_PORT}")},
    ]
    return {"name": "others", "domains": ["*"], "routes": routes}


def _captured(address: str) -> Json:
    return {_STATE: _towards(address), **_UNFENCED}


def _tunnel(cluster: str) -> Json:
    upgrade = {"upgrade_type": "CONNECT", "connect_config": {}}
    action = {"cluster": cluster, "timeout": "0s", "upgrade_configs": [upgrade]}
    return {"match": {"connect_matcher": {}}, "route": action}


def _request(cluster: str) -> Json:
    return {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}


def _towards(address: str) -> Json:
    """Where the connection inside of Envoy says that it goes, and from where it comes."""
    ends = {"remote_ip": "%DOWNSTREAM_REMOTE_ADDRESS%", "local_ip": address}
    headers = [
        {
            "object_key": f"{_ORIGINAL}.{end}",
            "format_string": {"text_format_source": {"inline_string": text}},
            "shared_with_upstream": "ONCE",
        }
        for end, text in ends.items()
    ]
    config = f"type.googleapis.com/{_FILTERS}.http.set_filter_state.v3.Config"
    return {"@type": config, "on_request_headers": headers}


def _static(name: str, address: Json) -> Json:
    endpoint = {"endpoint": {"address": address}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment}


# HTTP/1.1 stays that, HTTP/2 too: a captured request would be what the application has said.
_AS_ASKED: Json = {
    "typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "use_downstream_protocol_config": {"http2_protocol_options": {}},
        }
    }
}
