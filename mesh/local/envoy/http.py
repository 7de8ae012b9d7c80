"""The HTTP connection manager and its filters, in Istio's order, for every place that speaks HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mesh.local.envoy import istio_metrics, tracing
from mesh.local.envoy.access_log import access_logs
from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.envoy.telemetry import Mode
from mesh.local.envoy.view import View
from mesh.local.model import Json, Service

_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

Place = Literal["inbound", "outbound", "gateway"]


def filter_(name: str, proto: str, **config: object) -> Json:
    """A filter by its registered name and the proto message that configures it."""
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{proto}", **config}}


def connection_manager(
    place: Place,
    stat_prefix: str,
    view: View,
    filters: Sequence[Json],
    service: Service | None = None,
    **routes: Json,
) -> Json:
    """The network filter; `routes` is `rds` or `route_config`, `filters` all but the router.

    `service` is what an inbound port serves.
    """
    mesh = view.mesh
    mode: Mode = "SERVER" if place == "inbound" else "CLIENT"
    config: Json = {
        "stat_prefix": stat_prefix,
        **routes,
        "http_filters": [*filters, ROUTER],
        "access_log": [
            *access_logs(view, mode),
            *istio_metrics.loggers(view, mode, "http", service),
        ],
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "proxy_100_continue": True,
        **_paths(mesh.path_normalization),
        **_identity(place, mesh),
        **tracing.manager_fields(view, mode),
    }
    return filter_("envoy.filters.network.http_connection_manager", _HCM, **config)


def plain_filters() -> list[Json]:
    """What stands between the policies and the router everywhere."""
    return [GRPC_STATS, FAULT, CORS]


def _paths(normalization: str) -> Json:
    if normalization == "NONE":
        return {"normalize_path": False}
    options: Json = {"normalize_path": True}
    if normalization in ("MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"):
        options["merge_slashes"] = True
    if normalization == "DECODE_AND_MERGE_SLASHES":
        options["path_with_escaped_slashes_action"] = "UNESCAPE_AND_FORWARD"
    return options


def _identity(place: Place, mesh: MeshConfig) -> Json:
    """Whose address and certificate the next hop is told."""
    if place == "outbound":
        return {"use_remote_address": False}
    if place == "inbound":
        return {
            "use_remote_address": False,
            "server_name": "istio-envoy",
            "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": True, "dns": True, "uri": True},
        }
    topology = (mesh.raw.get("defaultConfig") or {}).get("gatewayTopology") or {}
    details = topology.get("forwardClientCertDetails") or "SANITIZE_SET"
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": int(topology.get("numTrustedProxies") or 0),
        "server_name": "istio-envoy",
        "forward_client_cert_details": "SANITIZE_SET" if details == "UNDEFINED" else details,
        "set_current_client_cert_details": {"subject": True, "cert": True, "dns": True, "uri": True},
        **tracing.internal_addresses(mesh),
    }


_FILTERS = "envoy.extensions.filters.http"
TLS_INSPECTOR = filter_(
    "envoy.filters.listener.tls_inspector",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
)
ROUTER = filter_("envoy.filters.http.router", f"{_FILTERS}.router.v3.Router")
FAULT = filter_("envoy.filters.http.fault", f"{_FILTERS}.fault.v3.HTTPFault")
CORS = filter_("envoy.filters.http.cors", f"{_FILTERS}.cors.v3.Cors")
GRPC_STATS = filter_(
    "envoy.filters.http.grpc_stats", f"{_FILTERS}.grpc_stats.v3.FilterConfig", emit_filter_state=True
)
