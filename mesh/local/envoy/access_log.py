"""Access logs: Istio's default text line unless a provider or MeshConfig says another file or format."""

from __future__ import annotations

from typing import Any

import msgspec

from mesh.local.envoy import telemetry
from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.envoy.telemetry import Logging, Mode
from mesh.local.envoy.view import View
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


def access_logs(view: View, mode: Mode) -> list[Json]:
    """The file loggers of a listener's filters: those of Telemetry, else MeshConfig's `accessLogFile`."""
    chosen = telemetry.access_logs(view, mode)
    if not chosen:
        path = view.mesh.raw.get("accessLogFile", DEFAULT_FILE)
        return [_logger(path, _mesh_format(view.mesh))] if path else []
    return [_filtered(view.mesh, log) for log in chosen if _writes(log)]


def _writes(log: Logging) -> bool:
    return not log.disabled and "envoyFileAccessLog" in log.provider


def _filtered(mesh: MeshConfig, log: Logging) -> Json:
    written = log.provider["envoyFileAccessLog"] or {}
    if log.provider is telemetry.ENVOY or not written.get("logFormat"):
        form = _mesh_format(mesh) if log.provider["name"] == telemetry.ENVOY["name"] else _format({})
    else:
        form = _format(written["logFormat"])
    if written.get("omitEmptyValues"):
        form = {**form, "omit_empty_values": True}
    made = _logger(written.get("path") or DEFAULT_FILE, form)
    return {**made, "filter": cel_filter(log.filter)} if log.filter else made


def cel_filter(expression: str) -> Json:
    """Only requests for which the expression is true."""
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": expression,
    }
    return {
        "extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}
    }


def _logger(path: str, form: Json) -> Json:
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": form,
    }
    return {"name": "envoy.access_loggers.file", "typed_config": config}


def _format(written: Json) -> Json:
    """The `logFormat` of a provider: `text`, or `labels` for JSON."""
    if (labels := written.get("labels")) is not None:
        return {"json_format": labels or JSON_FORMAT, **_formatters(str(labels))}
    return _text(str(written.get("text") or ""))


def _text(written: str) -> Json:
    line = written or TEXT_FORMAT
    ended = line if line.endswith("\n") else f"{line}\n"
    return {"text_format_source": {"inline_string": ended}, **_formatters(written)}


def _mesh_format(mesh: MeshConfig) -> Json:
    written = str(mesh.raw.get("accessLogFormat") or "")
    if mesh.raw.get("accessLogEncoding") == "JSON":
        return {"json_format": _json_fields(written), **_formatters(written)}
    return _text(written)


def _formatters(written: str) -> Json:
    """What a format needs besides Envoy's own commands; istiod adds it by the same look at the text."""
    return {"formatters": [REQ_WITHOUT_QUERY]} if "%REQ_WITHOUT_QUERY" in written else {}


def _json_fields(written: str) -> Json:
    try:
        return msgspec.json.decode(written, type=dict[str, Any]) if written else JSON_FORMAT
    except msgspec.DecodeError:  # istiod falls back to its own fields and logs an error
        return JSON_FORMAT
