"""Istio's own metrics, made by Envoy's stats access logger: istio_requests_total and its kin.

Every proxy reports what it sends (`reporter="source"`) and what it receives (`"destination"`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from mesh.local.envoy import istio_labels, names, workload
from mesh.local.envoy.access_log import cel_filter
from mesh.local.envoy.istio_labels import Labels
from mesh.local.envoy.telemetry import Mode, Override, metrics
from mesh.local.envoy.view import View
from mesh.local.envoy.workload import UNKNOWN
from mesh.local.model import Json, Service

STAT_PREFIX = "istio"
_STATS = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"

Protocol = Literal["http", "grpc", "tcp"]


def loggers(
    view: View, mode: Mode, protocol: Literal["http", "tcp"], service: Service | None = None
) -> list[Json]:
    """The access loggers of a connection manager or a TCP proxy; `service` is what an inbound port serves."""
    overrides = metrics(view, mode)
    if overrides is None:
        return []
    who = workload.of_proxy(view.proxy)
    tags = istio_labels.served(who, service) if mode == "SERVER" else istio_labels.sent(who)
    frozen = tuple(sorted((name, o.disabled, tuple(sorted(o.tags.items()))) for name, o in overrides.items()))
    return _loggers(tags, frozen, protocol, tunnels=mode == "CLIENT" and view.proxy.kind == "sidecar")


def connection_filters(view: View) -> list[Json]:
    """Network filters that stand first on an inbound port."""
    return [] if metrics(view, "SERVER") is None else istio_labels.connection_filters()


def counts_requests(listeners: Iterable[Json]) -> bool:
    """Whether a proxy with these listeners counts the requests that it sends."""
    return any(
        _counts(log.get("typed_config") or {})
        for listener in listeners
        if listener.get("traffic_direction") != "INBOUND"
        for chain in listener.get("filter_chains") or []
        for network in chain.get("filters") or []
        for log in (network.get("typed_config") or {}).get("access_log") or []
    )


def _counts(logger: Json) -> bool:
    counters = logger.get("counters") or [] if logger.get("@type") == _STATS else []
    return any(one["stat"]["name"] == _REQUEST_COUNT for one in counters)


@lru_cache(maxsize=256)
def _loggers(
    tags: Labels,
    overrides: tuple[tuple[str, bool, tuple[tuple[str, str | None], ...]], ...],
    protocol: Literal["http", "tcp"],
    *,
    tunnels: bool,
) -> list[Json]:
    """Most edits of routes rebuild a gateway's listeners; these parts of them stay the same objects."""
    by_name = {name: Override(disabled, dict(changed)) for name, disabled, changed in overrides}
    if protocol == "tcp":
        return [_logger("tcp", tags, by_name)]
    made = [
        {
            **_logger("http", tags, by_name),
            "filter": _all_of(_not(_GRPC), *([_not(_CONNECT)] if tunnels else [])),
        },
        {**_logger("grpc", tags, by_name), "filter": _GRPC},
    ]
    if tunnels:
        # What a tunnel leads to inside the proxy goes round once more, and is counted as what it is.
        made.append({**_logger("tcp", tags, by_name), "filter": _all_of(_CONNECT, _NOT_ROUND)})
    return made


def _logger(protocol: Protocol, common: Labels, overrides: Mapping[str, Override]) -> Json:
    tags = (*common, ("request_protocol", protocol), ("response_flags", "%RESPONSE_FLAGS%"))
    if protocol != "tcp":
        status = "%GRPC_STATUS_NUMBER%" if protocol == "grpc" else istio_labels.NOTHING
        tags += (("response_code", "%RESPONSE_CODE%"), ("grpc_response_status", status))
    made: Json = {"@type": _STATS, "stat_prefix": STAT_PREFIX}
    for name, (kind, stat, value) in _METRICS[protocol].items():
        override = overrides.get(name, Override())
        if not override.disabled:
            body = {"name": stat, "tags": _tags(tags, override)}
            made.setdefault(kind, []).append({"stat": body, **value})
    return {"name": "envoy.access_loggers.stats", "typed_config": made}


def _tags(tags: Labels, override: Override) -> list[Json]:
    values: dict[str, str | None] = {
        **dict(tags),
        **{n: v and _attribute(v) for n, v in override.tags.items()},
    }
    return [{"name": name, "value_format": value} for name, value in values.items() if value is not None]


def _attribute(expression: str) -> str:
    """A plain attribute of Envoy's as a tag; a word in quotes is itself."""
    if expression[:1] in "'\"" and expression[:1] == expression[-1:]:
        return expression[1:-1] or UNKNOWN
    return istio_labels.first_of(("CEL", expression))


def _counter(name: str, **value: object) -> tuple[str, str, Json]:
    return "counters", name, value or {"value_fixed": 1}


def _histogram(name: str, unit: str, value: str) -> tuple[str, str, Json]:
    return "histograms", name, {"unit": unit, "value_format": value}


_REQUEST_COUNT = "requests_total"
_REQUESTS = {
    "REQUEST_COUNT": _counter(_REQUEST_COUNT),
    "REQUEST_DURATION": _histogram("request_duration_milliseconds", "Milliseconds", "%DURATION%"),
    "REQUEST_SIZE": _histogram("request_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
    "RESPONSE_SIZE": _histogram("response_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_SENT%"),
}


_METRICS: Mapping[Protocol, Mapping[str, tuple[str, str, Json]]] = {
    "http": _REQUESTS,
    # The messages of a call stand in a state of two numbers, of which no command of Envoy 1.40 takes one.
    "grpc": _REQUESTS,
    "tcp": {
        "TCP_OPENED_CONNECTIONS": _counter("tcp_connections_opened_total"),
        "TCP_CLOSED_CONNECTIONS": _counter("tcp_connections_closed_total"),
        "TCP_SENT_BYTES": _counter("tcp_sent_bytes_total", value_format="%DOWNSTREAM_WIRE_BYTES_SENT%"),
        "TCP_RECEIVED_BYTES": _counter(
            "tcp_received_bytes_total", value_format="%DOWNSTREAM_WIRE_BYTES_RECEIVED%"
        ),
    },
}


def _header(name: str, match: Json) -> Json:
    return {"header_filter": {"header": {"name": name, "string_match": match}}}


def _not(condition: Json) -> Json:
    """The opposite; a header that is not there is not the one meant."""
    header = condition["header_filter"]["header"]
    opposite = {**header, "invert_match": True, "treat_missing_header_as_empty": True}
    return {"header_filter": {"header": opposite}}


def _all_of(*conditions: Json) -> Json:
    return conditions[0] if len(conditions) == 1 else {"and_filter": {"filters": list(conditions)}}


ROUND = "EgressLoopback"  # the cluster that leads from a tunnel back into the egress listener
_GRPC = _header("content-type", {"safe_regex": {"regex": r"application/grpc(\+.*)?"}})
_CONNECT = _header(":method", {"exact": "CONNECT"})
_NOT_ROUND = cel_filter(f"xds.cluster_name != '{ROUND}' && !xds.cluster_name.startsWith('{names.INTERNAL}')")
