"""The whole desired state of one proxy, out of what people wrote and what runs."""

from __future__ import annotations

from collections.abc import Mapping

from mesh.local.envoy import clusters, gateway, inbound, outbound
from mesh.local.envoy.view import View
from mesh.local.model import Config, Proxy, Registry, Snapshot


def build(proxy: Proxy, config: Config, registry: Registry, jwks: Mapping[str, str]) -> Snapshot:
    """Translate everything that concerns `proxy`.

    `jwks` holds the text of every `jwksUri` that could be fetched; tokens of an issuer whose keys are
    missing there all fail. Pure and total for validated configuration; equal inputs give equal snapshots.
    """
    view = View(proxy, config, registry, jwks)
    outbound_clusters = clusters.outbound(view)
    if proxy.kind == "gateway":
        return Snapshot(
            clusters=outbound_clusters,
            endpoints={},
            listeners=gateway.listeners(view),
            routes=gateway.route_configurations(view),
        )
    return Snapshot(
        clusters={**outbound_clusters, **inbound.clusters(view), **outbound.clusters(view)},
        endpoints={},
        listeners={**inbound.listeners(view), **outbound.listeners(view)},
        routes=outbound.route_configurations(view),
    )
