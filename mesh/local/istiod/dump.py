"""What an Envoy has in force, out of its own dump (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from mesh.local.model import Json, Snapshot

_MESSAGES = "type.googleapis.com/envoy.admin.v3."


def snapshot(text: bytes | str) -> Snapshot:
    """Of a dump with endpoints; only what came from its control plane."""
    parts = {
        str(part["@type"]).removeprefix(_MESSAGES): part
        for part in msgspec.json.decode(text, type=dict[str, list[Json]])["configs"]
    }
    listeners = (
        one["active_state"]["listener"]
        for one in _of(parts, "ListenersConfigDump", "dynamic_listeners")
        if "active_state" in one
    )
    clusters = (one["cluster"] for one in _of(parts, "ClustersConfigDump", "dynamic_active_clusters"))
    routes = (one["route_config"] for one in _of(parts, "RoutesConfigDump", "dynamic_route_configs"))
    endpoints = (
        one["endpoint_config"] for one in _of(parts, "EndpointsConfigDump", "dynamic_endpoint_configs")
    )
    return Snapshot(
        clusters=_named(clusters),
        endpoints=_named(endpoints, "cluster_name"),
        listeners=_named(listeners),
        routes=_named(routes),
    )


def _of(parts: dict[str, Json], message: str, field: str) -> Iterator[Json]:
    yield from (parts.get(message) or {}).get(field) or []


def _named(bodies: Iterable[Json], field: str = "name") -> dict[str, Json]:
    return {body[field]: body for body in bodies if field in body}
