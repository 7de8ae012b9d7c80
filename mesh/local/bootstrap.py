"""How one Envoy is started: its bootstrap file and its command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files as package_files

from mesh.local import files
from mesh.local.model import Json, Proxy

MAX_CONNECTIONS = 50_000  # of one proxy; beyond it new ones are closed instead of exhausting memory


def bootstrap(proxy: Proxy, runtime_values: Mapping[str, str] | None = None) -> Json:
    """The bootstrap of `proxy`, whose clusters and listeners come from files of its folder.

    `runtime_values` are MeshConfig's: what it says when the proxy starts.
    """
    runtime = {**RUNTIME_FLAGS, **(runtime_values or {})}
    host, port = proxy.admin
    return {
        "node": _node(proxy),
        "admin": {"address": {"socket_address": {"address": host, "port_value": port}}},
        "dynamic_resources": {
            "cds_config": files.config_source(proxy.folder, files.CLUSTERS),
            "lds_config": files.config_source(proxy.folder, files.LISTENERS),
        },
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime}]},
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "overload_manager": {"resource_monitors": [_CONNECTION_LIMIT]},
    }


def command(proxy: Proxy) -> list[str]:
    """The command line; an open connection is closed after its next answer once its policy changed."""
    return [
        str(package_files("envoy") / "_bin" / "envoy"),
        "--config-path",
        str(proxy.folder / files.BOOTSTRAP),
        *("--concurrency", "1"),
        *("--drain-strategy", "immediate"),
        *("--drain-time-s", "1"),
        *("--parent-shutdown-time-s", "2"),
        *("--log-level", "warning"),
        *("--file-flush-interval-msec", "200"),  # of access logs, which people follow
        "--disable-hot-restart",
        "--skip-deprecated-logs",  # Istio's route fields are used, the deprecated ones too
    ]


# Istio's own proxy sets the first two; policies see a path with its fragment stripped.
RUNTIME_FLAGS: Json = {
    "re2.max_program_size.error_level": 32768,
    "envoy.reloadable_features.http_reject_path_with_fragment": False,
}

_CONNECTION_LIMIT: Json = {
    "name": "envoy.resource_monitors.global_downstream_max_connections",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections"
        ".v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": MAX_CONNECTIONS,
    },
}


def _node(proxy: Proxy) -> Json:
    metadata = {
        "NAME": proxy.name,
        "NAMESPACE": proxy.namespace,
        "INSTANCE_IPS": proxy.ip,
        "LABELS": dict(sorted(proxy.labels.items())),
        "SERVICE_ACCOUNT": proxy.service_account,
        "WORKLOAD_NAME": proxy.workload,
        "CLUSTER_ID": "Kubernetes",
        "MESH_ID": "cluster.local",
    }
    app = proxy.labels.get("app") or proxy.workload
    return {"id": proxy.node_id, "cluster": f"{app}.{proxy.namespace}", "metadata": metadata}
