"""Access logs: Istio's default text line unless MeshConfig says another file, format or encoding."""

from __future__ import annotations

from typing import Any

import msgspec

from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.model import Json

# Istio's EnvoyTextLogFormat.
TEXT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
JSON_FORMAT: dict[str, Any] = {
    "start_time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "route_name": "%ROUTE_NAME%",
}
REQ_WITHOUT_QUERY: Json = {
    "name": "envoy.formatter.req_without_query",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
    },
}
DEFAULT_FILE = "/dev/stdout"  # on here, unlike in Istio, until MeshConfig says `accessLogFile: ""`


def access_logs(mesh: MeshConfig) -> list[Json]:
    """The loggers of a listener's filters; Telemetry resources will choose among providers here."""
    path = mesh.raw.get("accessLogFile", DEFAULT_FILE)
    if not path:
        return []
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": {**_format(mesh), **_formatters(mesh)},
    }
    return [{"name": "envoy.access_loggers.file", "typed_config": config}]


def _format(mesh: MeshConfig) -> Json:
    written = mesh.raw.get("accessLogFormat") or ""
    if mesh.raw.get("accessLogEncoding") == "JSON":
        return {"json_format": _json_fields(written)}
    line = written or TEXT_FORMAT
    return {"text_format_source": {"inline_string": line if line.endswith("\n") else f"{line}\n"}}


def _formatters(mesh: MeshConfig) -> Json:
    """What a format needs besides Envoy's own commands; istiod adds it by the same look at the text."""
    if "%REQ_WITHOUT_QUERY" not in str(mesh.raw.get("accessLogFormat") or ""):
        return {}
    return {"formatters": [REQ_WITHOUT_QUERY]}


def _json_fields(written: str) -> Json:
    try:
        return msgspec.json.decode(written, type=dict[str, Any]) if written else JSON_FORMAT
    except msgspec.DecodeError:  # istiod falls back to its own fields and logs an error
        return JSON_FORMAT
