"""The outbound side of a sidecar: an ordinary HTTP proxy on loopback.

It takes absolute-form requests, requests with a Host of the mesh, HTTP/2 with prior knowledge, and
CONNECT. One RouteConfiguration holds a virtual host per service port, as Istio's `http_proxy` does.
"""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local import files
from mesh.local.envoy import names
from mesh.local.envoy.http import connection_manager, filter_, plain_filters
from mesh.local.envoy.view import View
from mesh.local.model import CLUSTER_DOMAIN, Json, Service

_DNS_CACHE: Json = {"name": "egress", "dns_lookup_family": "V4_PREFERRED"}
_LOOPBACK = "EgressLoopback"


def listeners(view: View) -> dict[str, Json]:
    host, port = view.proxy.egress
    name = f"{host}_{port}"
    rds = {
        "config_source": files.config_source(view.proxy.folder, files.routes(names.EGRESS_ROUTES)),
        "route_config_name": names.EGRESS_ROUTES,
    }
    filters = plain_filters()
    if not view.mesh.registry_only:
        filters.append(
            filter_(
                "envoy.filters.http.dynamic_forward_proxy",
                "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
                dns_cache_config=_DNS_CACHE,
            )
        )
    manager = connection_manager("outbound", f"outbound_{name};", view.mesh, filters, rds=rds)
    manager["typed_config"]["upgrade_configs"].append({"upgrade_type": "CONNECT"})
    # many clients say CONNECT in HTTP/1.0
    manager["typed_config"]["http_protocol_options"] = {"accept_http_10": True}
    manager["typed_config"]["http2_protocol_options"] = {"allow_connect": True}
    return {
        name: {
            "name": name,
            "address": {"socket_address": {"address": host, "port_value": port}},
            "traffic_direction": "OUTBOUND",
            "enable_reuse_port": False,
            "filter_chains": [{"filters": [manager]}],
        }
    }


def clusters(view: View) -> dict[str, Json]:
    """Where requests go that leave the mesh, and the way back in for what came in a tunnel."""
    host, port = view.proxy.egress
    address = {"socket_address": {"address": host, "port_value": port}}
    loopback = {
        "name": _LOOPBACK,
        "type": "STATIC",
        "connect_timeout": view.mesh.connect_timeout,
        "load_assignment": {
            "cluster_name": _LOOPBACK,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if view.mesh.registry_only:
        return {_LOOPBACK: loopback}
    forward = filter_(
        "envoy.clusters.dynamic_forward_proxy",
        "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        dns_cache_config=_DNS_CACHE,
    )
    passthrough = {
        "name": names.PASSTHROUGH,
        "connect_timeout": view.mesh.connect_timeout,
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": forward,
    }
    return {_LOOPBACK: loopback, names.PASSTHROUGH: passthrough}


def routes(view: View) -> dict[str, Json]:
    hosts = list(_virtual_hosts(view))
    config = {
        "name": names.EGRESS_ROUTES,
        "virtual_hosts": [*hosts, _catch_all(view)],
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": 1048576,
    }
    return {names.EGRESS_ROUTES: config}


def _virtual_hosts(view: View) -> Iterator[Json]:
    for service in sorted(view.registry.services, key=lambda s: s.hostname):
        for port in service.ports:
            cluster = names.outbound_cluster(service.hostname, port.number)
            tunnel = cluster if port.protocol == "tcp" else _LOOPBACK
            made = [_connect(tunnel)]
            if port.protocol != "tcp":
                made.append(
                    {
                        "name": "default",
                        "match": {"prefix": "/"},
                        "route": {"cluster": cluster, "timeout": "0s"},
                    }
                )
            yield {
                "name": f"{service.hostname}:{port.number}",
                "domains": _domains(service, port.number, view.proxy.namespace),
                "routes": made,
                "include_request_attempt_count": True,
            }


def _connect(cluster: str) -> Json:
    action = {
        "cluster": cluster,
        "timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
    }
    return {"name": "connect", "match": {"connect_matcher": {}}, "route": action}


def _domains(service: Service, port: int, client_namespace: str) -> list[str]:
    qualified = f"{service.name}.{service.namespace}"
    hosts = [
        f"{qualified}.svc.{CLUSTER_DOMAIN}",
        f"{qualified}.svc.{CLUSTER_DOMAIN}.",
        qualified,
        f"{qualified}.svc",
    ]
    if service.namespace == client_namespace:
        hosts.append(service.name)
    if service.cluster_ip and service.cluster_ip != "None":
        hosts.append(service.cluster_ip)
    plain = hosts if port == 80 else []
    return [*plain, *(f"{host}:{port}" for host in hosts)]


def _catch_all(view: View) -> Json:
    if view.mesh.registry_only:
        refuse: Json = {"direct_response": {"status": 502}}
        made = [
            {"name": "block_all", "match": {"connect_matcher": {}}, **refuse},
            {"name": "block_all", "match": {"prefix": "/"}, **refuse},
        ]
        return {"name": "block_all", "domains": ["*"], "routes": made}
    action = {"cluster": names.PASSTHROUGH, "timeout": "0s"}
    made = [
        {**_connect(names.PASSTHROUGH), "name": "allow_any"},
        {"name": "allow_any", "match": {"prefix": "/"}, "route": action},
    ]
    return {"name": "allow_any", "domains": ["*"], "routes": made, "include_request_attempt_count": True}
