"""Istio's own metrics, made by Envoy's stats access logger: istio_requests_total and its kin.

Every proxy reports what it sends (`reporter="source"`) and what it receives (`"destination"`). Its own
names are written out; the peer's stand in the metadata of the endpoint that was chosen, or in the SPIFFE id
that the client has shown. No label holds what a caller may invent: unlike Istio, the Host header is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from mesh.local.envoy import workload
from mesh.local.envoy.access_log import cel_filter
from mesh.local.envoy.telemetry import Mode, Override, metrics
from mesh.local.envoy.view import View
from mesh.local.envoy.workload import LATEST, PEER, UNKNOWN, Identity
from mesh.local.model import CLUSTER_ID, Json, Service

SERVICE = "istio.service"  # metadata of clusters and routes: host and name of the destination
CONNECTION = "istio.connection"  # metadata of inbound filter chains: how their connections are secured
STAT_PREFIX = "istio"
_FALLBACK = "istio.fallback"  # metadata of listeners: a command may fall back on it, on no literal
_STATS = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"
_SET_STATE = "envoy.extensions.filters.network.set_filter_state.v3.Config"
_ACCOUNT, _NAMESPACE = "istio.source.account", "istio.source.namespace"  # filter state of a connection
_GRPC_STATS = "envoy.filters.http.grpc_stats"

Protocol = Literal["http", "grpc", "tcp"]
Tags = tuple[tuple[str, str], ...]

LISTENER_METADATA: Json = {_FALLBACK: {UNKNOWN: UNKNOWN, LATEST: LATEST}}
MUTUAL_TLS: Json = {CONNECTION: {"security_policy": "mutual_tls", "cluster": CLUSTER_ID}}
PLAIN_TEXT: Json = {CONNECTION: {"security_policy": "none", "cluster": UNKNOWN}}


def first_of(*commands: str | tuple[str, str], otherwise: str = UNKNOWN) -> str:
    """The first command that has a value; `otherwise` is one of those in `LISTENER_METADATA`."""
    last = ("METADATA", f"LISTENER:{_FALLBACK}:{otherwise}")
    operators = [
        command if isinstance(command, str) else {"command": command[0], "param": command[1]}
        for command in (*commands, last)
    ]
    return f"%COALESCE({json.dumps({'operators': operators})})%"


def loggers(
    view: View, mode: Mode, protocol: Literal["http", "tcp"], service: Service | None = None
) -> list[Json]:
    """The access loggers of a connection manager or a TCP proxy; `service` is what an inbound port serves."""
    overrides = metrics(view, mode)
    if overrides is None:
        return []
    who = workload.of_proxy(view.proxy)
    tags = _served(who, service) if mode == "SERVER" else _sent(who)
    frozen = tuple(sorted((name, o.disabled, tuple(sorted(o.tags.items()))) for name, o in overrides.items()))
    return _loggers(tags, frozen, protocol, tunnels=mode == "CLIENT" and view.proxy.kind == "sidecar")


@lru_cache(maxsize=256)
def _loggers(
    tags: Tags,
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
        # What comes in a tunnel for an HTTP port goes round once more, and is counted as what it is.
        made.append({**_logger("tcp", tags, by_name), "filter": _all_of(_CONNECT, _NOT_ROUND)})
    return made


def _sent(who: Identity) -> Tags:
    """Labels of the client's side."""

    def peer(field: str, otherwise: str = UNKNOWN) -> str:
        return first_of(("UPSTREAM_METADATA", f"{PEER}:{field}"), otherwise=otherwise)

    return (
        ("reporter", "source"),
        *_own("source", who),
        ("source_principal", first_of("UPSTREAM_LOCAL_URI_SAN")),
        ("destination_workload", peer("workload")),
        ("destination_workload_namespace", peer("namespace")),
        ("destination_principal", first_of("UPSTREAM_PEER_URI_SAN")),
        ("destination_app", peer("app")),
        ("destination_version", peer("version")),
        ("destination_service", first_of(("CLUSTER_METADATA", f"{SERVICE}:host"))),
        ("destination_service_name", _service_name()),
        ("destination_service_namespace", peer("namespace")),
        ("destination_canonical_service", peer("canonical_service")),
        ("destination_canonical_revision", peer("canonical_revision", LATEST)),
        ("destination_cluster", peer("cluster")),
        ("connection_security_policy", UNKNOWN),
    )


def _service_name() -> str:
    return first_of(("CLUSTER_METADATA", f"{SERVICE}:name"), ("METADATA", f"ROUTE:{SERVICE}:name"))


def connection_filters(view: View) -> list[Json]:
    """Network filters that stand first on an inbound port: they read the client's certificate once.

    Taking a name apart costs 20 us, and a request has 16 labels that need one.
    """
    if metrics(view, "SERVER") is None:
        return []
    values = [
        {
            "object_key": key,
            "factory_key": "envoy.string",
            "format_string": {
                "text_format_source": {"inline_string": f"%CEL({_of_principal(word)})%"},
                "omit_empty_values": True,
            },
            "read_only": True,
            "skip_if_empty": True,
        }
        for key, word in ((_ACCOUNT, "sa"), (_NAMESPACE, "ns"))
    ]
    name = "envoy.filters.network.set_filter_state"
    config = {"@type": f"type.googleapis.com/{_SET_STATE}", "on_downstream_tls_handshake": values}
    return [{"name": name, "typed_config": config}]


def _of_principal(word: str) -> str:
    """CEL for a part of the client's `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`."""
    return f"re.extract(connection.uri_san_peer_certificate, '.*/{word}/([^/]+).*', '\\\\1')"


def _served(who: Identity, service: Service | None) -> Tags:
    """Labels of the server's side. The client's workload is its service account's name."""
    account = first_of(("FILTER_STATE", f"{_ACCOUNT}:PLAIN"))
    return (
        ("reporter", "destination"),
        ("source_workload", account),
        ("source_workload_namespace", first_of(("FILTER_STATE", f"{_NAMESPACE}:PLAIN"))),
        ("source_principal", first_of("DOWNSTREAM_PEER_URI_SAN")),
        ("source_app", account),
        ("source_version", UNKNOWN),
        ("source_canonical_service", account),
        ("source_canonical_revision", LATEST),
        ("source_cluster", f"%METADATA(LISTENER_FILTER_CHAIN:{CONNECTION}:cluster)%"),
        *_own("destination", who),
        ("destination_principal", first_of("DOWNSTREAM_LOCAL_URI_SAN")),
        ("destination_service", service.hostname if service else who.canonical_service),
        ("destination_service_name", service.name if service else who.canonical_service),
        ("destination_service_namespace", who.namespace),
        ("connection_security_policy", f"%METADATA(LISTENER_FILTER_CHAIN:{CONNECTION}:security_policy)%"),
    )


def _own(side: Literal["source", "destination"], who: Identity) -> Tags:
    return (
        (f"{side}_workload", who.workload),
        (f"{side}_workload_namespace", who.namespace),
        (f"{side}_app", who.app),
        (f"{side}_version", who.version),
        (f"{side}_canonical_service", who.canonical_service),
        (f"{side}_canonical_revision", who.canonical_revision),
        (f"{side}_cluster", who.cluster),
    )


def _logger(protocol: Protocol, common: Tags, overrides: Mapping[str, Override]) -> Json:
    tags = (*common, ("request_protocol", protocol), ("response_flags", "%RESPONSE_FLAGS%"))
    if protocol != "tcp":
        tags += (("response_code", "%RESPONSE_CODE%"), ("grpc_response_status", _grpc_status(protocol)))
    made: Json = {"@type": _STATS, "stat_prefix": STAT_PREFIX}
    for name, (kind, stat, value) in _METRICS[protocol].items():
        override = overrides.get(name, Override())
        if not override.disabled:
            body = {"name": stat, "tags": _tags(tags, override)}
            made.setdefault(kind, []).append({"stat": body, **value})
    return {"name": "envoy.access_loggers.stats", "typed_config": made}


def _grpc_status(protocol: Protocol) -> str:
    """Empty for plain HTTP, as in Istio: a command without a value gives an empty tag."""
    return "%GRPC_STATUS_NUMBER%" if protocol == "grpc" else f"%METADATA(LISTENER:{_FALLBACK}:none)%"


def _tags(tags: Tags, override: Override) -> list[Json]:
    values: dict[str, str | None] = {
        **dict(tags),
        **{n: v and _attribute(v) for n, v in override.tags.items()},
    }
    return [{"name": name, "value_format": value} for name, value in values.items() if value is not None]


def _attribute(expression: str) -> str:
    """A plain attribute of Envoy's as a tag; a word in quotes is itself."""
    if expression[:1] in "'\"" and expression[:1] == expression[-1:]:
        return expression[1:-1] or UNKNOWN
    return first_of(("CEL", expression))


def _counter(name: str, **value: object) -> tuple[str, str, Json]:
    return "counters", name, value or {"value_fixed": 1}


def _histogram(name: str, unit: str, value: str) -> tuple[str, str, Json]:
    return "histograms", name, {"unit": unit, "value_format": value}


_REQUESTS = {
    "REQUEST_COUNT": _counter("requests_total"),
    "REQUEST_DURATION": _histogram("request_duration_milliseconds", "Milliseconds", "%DURATION%"),
    "REQUEST_SIZE": _histogram("request_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
    "RESPONSE_SIZE": _histogram("response_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_SENT%"),
}


def _messages(side: Literal["request", "response"]) -> tuple[str, str, Json]:
    field = f"%FILTER_STATE({_GRPC_STATS}:FIELD:{side}_message_count)%"
    return _counter(f"{side}_messages_total", value_format=field)


_METRICS: Mapping[Protocol, Mapping[str, tuple[str, str, Json]]] = {
    "http": _REQUESTS,
    "grpc": {
        **_REQUESTS,
        "GRPC_REQUEST_MESSAGES": _messages("request"),
        "GRPC_RESPONSE_MESSAGES": _messages("response"),
    },
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
_NOT_ROUND = cel_filter(f"xds.cluster_name != '{ROUND}'")
