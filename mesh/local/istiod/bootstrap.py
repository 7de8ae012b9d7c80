"""How an Envoy starts that asks istiod for its configuration, and the mesh for its certificates (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh.local import bootstrap, files
from mesh.local.istiod import capture
from mesh.local.istiod.filters import UNIQUE
from mesh.local.model import Json, Proxy

XDS, SDS = "xds-grpc", "sds-grpc"  # the names that istiod and its proxies agree upon
ISTIO_VERSION = "1.31.0"  # what a proxy says of itself decides what istiod sends it
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_HTTP_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# An edit of one proxy's configuration is some megabytes at most.
_WINDOW_BYTES = 1 << 28


@dataclass(frozen=True)
class Servers:
    """Where istiod serves ADS by TLS, whom to trust there, and the socket of the mesh's own SDS."""

    istiod: tuple[str, int]
    trusted: Path
    secrets: Path


def ads_bootstrap(proxy: Proxy, servers: Servers, runtime_values: Mapping[str, str]) -> Json:
    """As `bootstrap.bootstrap`, with clusters and listeners from istiod."""
    common = bootstrap.bootstrap(proxy, runtime_values)
    node = common["node"]
    metadata = {
        **node["metadata"],
        "LABELS": {**node["metadata"]["LABELS"], UNIQUE: proxy.ip},
        "ISTIO_VERSION": ISTIO_VERSION,
        "INTERCEPTION_MODE": "REDIRECT",
    }
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    is_sidecar = proxy.kind == "sidecar"
    clusters = [_istiod(proxy, servers), _secrets(servers), *(capture.clusters(proxy) if is_sidecar else ())]
    return {
        **common,
        "bootstrap_extensions": [capture.EXTENSION],
        "node": {**node, "metadata": metadata},
        "dynamic_resources": {"cds_config": source, "lds_config": source, "ads_config": _ads()},
        "static_resources": {
            "listeners": capture.listeners(proxy) if is_sidecar else [],
            "clusters": clusters,
        },
    }


def _ads() -> Json:
    return {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": XDS}}],
    }


def _istiod(proxy: Proxy, servers: Servers) -> Json:
    host, port = servers.istiod
    own = {
        "name": files.IDENTITY_SECRET,
        "sds_config": files.config_source(proxy.folder, files.secret(files.IDENTITY_SECRET)),
    }
    context = {
        "@type": _TLS,
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [own],
            "validation_context": {"trusted_ca": {"filename": str(servers.trusted)}},
            "alpn_protocols": ["h2"],
        },
    }
    address = {"socket_address": {"address": host, "port_value": port}}
    return {
        **_cluster(XDS, address),
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
    }


def _secrets(servers: Servers) -> Json:
    return _cluster(SDS, {"pipe": {"path": str(servers.secrets)}})


def _cluster(name: str, address: Json) -> Json:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "explicit_http_config": {
                    "http2_protocol_options": {"initial_connection_window_size": _WINDOW_BYTES}
                },
            }
        },
    }
