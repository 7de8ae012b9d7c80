"""The inbound side of a sidecar: one listener for every container port of its pod."""

from __future__ import annotations

from mesh.local.envoy import authorization_policy, ext_authz, istio_labels, istio_metrics, names, tls
from mesh.local.envoy.access_log import access_logs
from mesh.local.envoy.http import TLS_INSPECTOR, connection_manager, filter_, plain_filters
from mesh.local.envoy.inbound_ports import InboundPort, inbound_ports
from mesh.local.envoy.mesh_defaults import pool_over_defaults
from mesh.local.envoy.peer_authentication import Mode, mode_of
from mesh.local.envoy.request_authentication import jwt_filters
from mesh.local.envoy.retries import inbound_retry_policy
from mesh.local.envoy.traffic_policy import connection_fields
from mesh.local.envoy.view import View
from mesh.local.listening import listens
from mesh.local.model import Json

# What Istio's clients offer inside the mesh; other TLS is none of the sidecar's business.
MESH_ALPNS = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")


def listeners(view: View) -> dict[str, Json]:
    made = (_listener(view, port) for port in inbound_ports(view))
    return {listener["name"]: listener for listener in made}


def clusters(view: View) -> dict[str, Json]:
    """One cluster per port, which leads to the process behind the sidecar."""
    made = (_cluster(view, port) for port in inbound_ports(view))
    return {cluster["name"]: cluster for cluster in made}


def _listener(view: View, port: InboundPort) -> Json:
    proxy, number = view.proxy, port.number
    http = port.protocol != "tcp"
    mode = mode_of(view.config, proxy.namespace, proxy.labels, number)
    handler = _http_filters(view, port) if http else _tcp_filters(view, port)
    filters = [*istio_metrics.connection_filters(view), *handler]
    return {
        "name": f"{proxy.ip}_{number}",
        "address": {"socket_address": {"address": proxy.ip, "port_value": number}},
        "traffic_direction": "INBOUND",
        "metadata": {"filter_metadata": istio_labels.LISTENER_METADATA},
        "enable_reuse_port": False,
        "filter_chains": _chains(view, number, mode, http=http, filters=filters),
        "listener_filters": [TLS_INSPECTOR],
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
    }


def _chains(view: View, number: int, mode: Mode, *, http: bool, filters: list[Json]) -> list[Json]:
    name = f"{view.proxy.ip}_{number}"
    mtls = tls.mesh_server(view.proxy.folder, view.mesh)
    plain: Json = {
        "name": name,
        "filters": filters,
        "metadata": {"filter_metadata": istio_labels.PLAIN_TEXT},
    }
    if mode == "DISABLE":
        return [plain]
    raw = {**plain, "filter_chain_match": {"transport_protocol": "raw_buffer"}}
    secure: Json = {
        "name": f"{name}_tls",
        "filters": filters,
        "filter_chain_match": {"transport_protocol": "tls"},
        "transport_socket": mtls,
        "metadata": {"filter_metadata": istio_labels.MUTUAL_TLS},
    }
    if mode == "STRICT":
        return [secure]
    ours = {"transport_protocol": "tls", "application_protocols": list(MESH_ALPNS)}
    chains = [{**secure, "filter_chain_match": ours}, raw]
    if not http:
        chains.append(
            {**raw, "name": f"{name}_other_tls", "filter_chain_match": {"transport_protocol": "tls"}}
        )
    return chains


def _http_filters(view: View, port: InboundPort) -> list[Json]:
    number = port.number
    cluster = names.inbound_cluster(number)
    host = {"name": f"inbound|http|{number}", "domains": ["*"], "routes": _routes(view, port)}
    routes = {"name": cluster, "virtual_hosts": [host], "validate_clusters": False}
    prefix = f"inbound_{view.proxy.ip}_{number};"
    filters = [
        *ext_authz.http_filters(view),
        *jwt_filters(view),
        *authorization_policy.http_filters(view),
        *plain_filters(),
    ]
    return [connection_manager("inbound", prefix, view, filters, port.service, route_config=routes)]


def _routes(view: View, port: InboundPort) -> list[Json]:
    """Everything to the process; what it certainly did not see is sent again, unless it is gRPC."""
    action = {"cluster": names.inbound_cluster(port.number), "timeout": "0s", "max_grpc_timeout": "0s"}
    written = view.mesh.raw.get("defaultInboundHttpRetryPolicy")
    retries: Json | None = {"retry_on": "reset-before-request", "num_retries": 2}
    if written is not None:
        retries = inbound_retry_policy(written)
    forward = {**action, "retry_policy": retries} if retries else action
    common = {"name": "default", "decorator": {"operation": _operation(port)}}
    return [
        {**common, "match": {"prefix": "/", "grpc": {}}, "route": action},
        {**common, "match": {"prefix": "/"}, "route": forward},
    ]


def _operation(port: InboundPort) -> str:
    served = port.served
    return f"{served[0].hostname}:{served[1].number}/*" if served else f"inbound:{port.number}/*"


def _tcp_filters(view: View, port: InboundPort) -> list[Json]:
    cluster = names.inbound_cluster(port.number)
    metrics = istio_metrics.loggers(view, "SERVER", "tcp", port.service)
    proxy = filter_(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=cluster,
        cluster=cluster,
        access_log=[*access_logs(view, "SERVER"), *metrics],
    )
    return [*ext_authz.network_filters(view), *authorization_policy.network_filters(view), proxy]


def _cluster(view: View, port: InboundPort) -> Json:
    name = names.inbound_cluster(port.number)
    pool = pool_over_defaults(view.mesh, port.pool)
    known = listens(view.proxy.annotations, view.proxy.app_ip)
    host, target = known.get(port.number, (view.proxy.app_ip, port.target))
    address = {"socket_address": {"address": host, "port_value": target}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        **connection_fields(
            pool,
            port.protocol,
            connect_timeout=view.mesh.connect_timeout,
            retry_budget=port.retry_budget,
        ),
        "common_lb_config": {},
    }
