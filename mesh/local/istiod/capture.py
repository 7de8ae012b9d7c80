"""Applications' way out on istiod: the same HTTP proxy as ever, whose requests are then captured (pure).

On Kubernetes iptables hand a connection to the sidecar, which asks the kernel where it was going. Here the
proxy on the egress address knows that by name (`egress`). It sends each request on, inside of Envoy, as a
connection to the Service's virtual address and port, which begins with a PROXY header for the listener of
istiod that takes what is captured: so the request meets exactly what a captured one would.
"""

from __future__ import annotations

from mesh.local import files
from mesh.local.envoy.fence import fenced
from mesh.local.envoy.http import ROUTER, filter_
from mesh.local.envoy.traffic_policy import circuit_breakers
from mesh.local.inside import CAPTURE_PORT
from mesh.local.istiod.egress import CAPTURE, FILTERS, FORWARD, ORIGINAL, ROUTES, STATE
from mesh.local.model import Json, Proxy

_CAPTURED = "egress-captured"
IDLE = "5s"  # an application's connection has one of its own behind it, which nobody else may use later
_DNS_CACHE: Json = {"name": "egress", "dns_lookup_family": "V4_PREFERRED"}
_RAW = filter_(
    "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
)
EXTENSION = filter_(
    "envoy.bootstrap.internal_listener", "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
)


def listeners(proxy: Proxy) -> list[Json]:
    """The proxy itself, and the listener inside of Envoy that makes connections of its requests."""
    host, port = proxy.egress
    address = {"socket_address": {"address": host, "port_value": port}}
    tunnel = filter_(
        "envoy.filters.network.tcp_proxy",
        f"{FILTERS}.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=_CAPTURED,
        cluster=_CAPTURED,
        idle_timeout="0s",
    )
    where = filter_(ORIGINAL, f"{FILTERS}.listener.original_dst.v3.OriginalDst")
    inside = {
        "name": CAPTURE,
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
        f"{FILTERS}.http.dynamic_forward_proxy.v3.FilterConfig",
        dns_cache_config=_DNS_CACHE,
    )
    state = filter_(STATE, f"{FILTERS}.http.set_filter_state.v3.Config")
    router = {**ROUTER, "typed_config": {**ROUTER["typed_config"], "suppress_envoy_headers": True}}
    return filter_(
        "envoy.filters.network.http_connection_manager",
        f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=ROUTES,
        rds={"config_source": source, "route_config_name": ROUTES},
        http_filters=[state, forward, router],
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
    inside = {"envoy_internal_address": {"server_listener_name": CAPTURE}}
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
        {**_static(CAPTURE, inside), **_AS_ASKED, "transport_socket": internal},
        {**_static(_CAPTURED, outside), "transport_socket": header},
        fenced({"name": FORWARD, "lb_policy": "CLUSTER_PROVIDED", "cluster_type": forward}),
    ]


def _static(name: str, address: Json) -> Json:
    endpoint = {"endpoint": {"address": address}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": circuit_breakers({}),  # what limits is Istio's, behind it
        "load_assignment": assignment,
    }


# HTTP/1.1 stays that, HTTP/2 too: a captured request would be what the application has said.
_AS_ASKED: Json = {
    "typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "use_downstream_protocol_config": {"http2_protocol_options": {}},
            "common_http_protocol_options": {"idle_timeout": IDLE},
        }
    }
}
