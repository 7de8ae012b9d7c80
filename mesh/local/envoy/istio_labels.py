"""The labels of Istio's metrics: who spoke to whom, as one proxy knows it.

Its own names are written out; the peer's stand in the metadata of the endpoint that was chosen, or in the
SPIFFE id that the client has shown. No label holds what a caller may invent: unlike Istio, the Host header is
none.
"""

from __future__ import annotations

import json
from typing import Literal

from mesh.local.envoy.workload import LATEST, PEER, UNKNOWN, Identity
from mesh.local.model import CLUSTER_ID, Json, Service

SERVICE = "istio.service"  # metadata of clusters and routes: host and name of the destination
_CONNECTION = "istio.connection"  # metadata of inbound filter chains: how their connections are secured
_FALLBACK = "istio.fallback"  # metadata of listeners: a command may fall back on it, on no literal
_SET_STATE = "envoy.extensions.filters.network.set_filter_state.v3.Config"
_ACCOUNT, _NAMESPACE = "istio.source.account", "istio.source.namespace"  # filter state of a connection

LISTENER_METADATA: Json = {_FALLBACK: {UNKNOWN: UNKNOWN, LATEST: LATEST}}
MUTUAL_TLS: Json = {_CONNECTION: {"security_policy": "mutual_tls", "cluster": CLUSTER_ID}}
PLAIN_TEXT: Json = {_CONNECTION: {"security_policy": "none", "cluster": UNKNOWN}}
NOTHING = f"%METADATA(LISTENER:{_FALLBACK}:none)%"  # a command without a value gives an empty label

Labels = tuple[tuple[str, str], ...]
"""Names and the formats of their values, in order."""


def first_of(*commands: str | tuple[str, str], otherwise: str = UNKNOWN) -> str:
    """The first command that has a value; `otherwise` is one of those in `LISTENER_METADATA`."""
    last = ("METADATA", f"LISTENER:{_FALLBACK}:{otherwise}")
    operators = [
        command if isinstance(command, str) else {"command": command[0], "param": command[1]}
        for command in (*commands, last)
    ]
    return f"%COALESCE({json.dumps({'operators': operators})})%"


def sent(who: Identity) -> Labels:
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


def connection_filters() -> list[Json]:
    """Network filters that stand first on an inbound port: they read the client's certificate once.

    Taking a name apart costs 20 us, and a request has 16 labels that need one.
    """
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


def served(who: Identity, service: Service | None) -> Labels:
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
        ("source_cluster", f"%METADATA(LISTENER_FILTER_CHAIN:{_CONNECTION}:cluster)%"),
        *_own("destination", who),
        ("destination_principal", first_of("DOWNSTREAM_LOCAL_URI_SAN")),
        ("destination_service", service.hostname if service else who.canonical_service),
        ("destination_service_name", service.name if service else who.canonical_service),
        ("destination_service_namespace", who.namespace),
        ("connection_security_policy", f"%METADATA(LISTENER_FILTER_CHAIN:{_CONNECTION}:security_policy)%"),
    )


def _own(side: Literal["source", "destination"], who: Identity) -> Labels:
    return (
        (f"{side}_workload", who.workload),
        (f"{side}_workload_namespace", who.namespace),
        (f"{side}_app", who.app),
        (f"{side}_version", who.version),
        (f"{side}_canonical_service", who.canonical_service),
        (f"{side}_canonical_revision", who.canonical_revision),
        (f"{side}_cluster", who.cluster),
    )
