"""How one Envoy is started: its bootstrap file and its command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files as package_files

import msgspec

from mesh.local import files
from mesh.local.envoy.istio_metrics import STAT_PREFIX
from mesh.local.model import CLUSTER_ID, Json, Proxy

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
        "bootstrap_extensions": [INTERNAL_LISTENERS],
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime}]},
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "overload_manager": {"resource_monitors": [_CONNECTION_LIMIT]},
        "stats_config": {"histogram_bucket_settings": _buckets(proxy)},
    }


def command(proxy: Proxy, concurrency: int = 1) -> list[str]:
    """The command line; an open connection is closed after its next answer once its policy changed.

    `concurrency` is the number of worker threads, 0 for one a core.
    """
    return [
        str(package_files("envoy") / "_bin" / "envoy"),
        "--config-path",
        str(proxy.folder / files.BOOTSTRAP),
        *(("--concurrency", str(concurrency)) if concurrency else ()),
        *("--drain-strategy", "immediate"),
        *("--drain-time-s", str(proxy.drain_s)),
        *("--parent-shutdown-time-s", "2"),
        *("--log-level", "warning"),
        *("--component-log-level", "tracing:critical"),  # a missing collector is no news, ten times a second
        *("--file-flush-interval-msec", "200"),  # of access logs, which people follow
        "--disable-hot-restart",
        "--skip-deprecated-logs",  # Istio's route fields are used, the deprecated ones too
    ]


# Istio's own proxy sets the first two; policies see a path with its fragment stripped.
RUNTIME_FLAGS: Json = {
    "re2.max_program_size.error_level": 32768,
    "envoy.reloadable_features.http_reject_path_with_fragment": False,
    # Spans leave when so many are there, or after so long (Envoy: 5, or 5 s): seen soon, in few requests.
    "tracing.opentelemetry.min_flush_spans": 100,
    "tracing.opentelemetry.flush_interval_ms": 500,
    "tracing.zipkin.min_flush_spans": 100,
    "tracing.zipkin.flush_interval_ms": 500,
}
STATS_BUCKETS = "sidecar.istio.io/statsHistogramBuckets"
_ISTIO_PREFIX = "istiocustom"  # of Istio's own metrics in Istio's proxy

INTERNAL_LISTENERS: Json = {
    "name": "envoy.bootstrap.internal_listener",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    },
}
_CONNECTION_LIMIT: Json = {
    "name": "envoy.resource_monitors.global_downstream_max_connections",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections"
        ".v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": MAX_CONNECTIONS,
    },
}


def _buckets(proxy: Proxy) -> list[Json]:
    """The edges of histograms by the beginning of their names, as the pod's annotation says them.

    Others have Envoy's, which are Istio's: 0.5 to 10,000 in steps of 2 to 2.5, then up to 3,600,000.
    """
    written: dict[str, list[float]] = msgspec.json.decode(proxy.annotations.get(STATS_BUCKETS) or "{}")
    own = {
        f"{STAT_PREFIX}." if prefix == _ISTIO_PREFIX else prefix: edges for prefix, edges in written.items()
    }
    return [{"match": {"prefix": prefix}, "buckets": sorted(edges)} for prefix, edges in sorted(own.items())]


def _node(proxy: Proxy) -> Json:
    metadata = {
        "NAME": proxy.name,
        "NAMESPACE": proxy.namespace,
        "INSTANCE_IPS": proxy.ip,
        "LABELS": dict(sorted(proxy.labels.items())),
        "SERVICE_ACCOUNT": proxy.service_account,
        "WORKLOAD_NAME": proxy.workload,
        "CLUSTER_ID": CLUSTER_ID,
        "MESH_ID": "cluster.local",
    }
    app = proxy.labels.get("app") or proxy.workload
    return {"id": proxy.node_id, "cluster": f"{app}.{proxy.namespace}", "metadata": metadata}
