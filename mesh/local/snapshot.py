"""The whole desired state of one proxy, out of what people wrote and what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mesh.local.envoy import clusters, gateway, inbound, outbound
from mesh.local.envoy.kept_clusters import KeptClusters
from mesh.local.envoy.view import View
from mesh.local.model import Config, Json, Proxy, Registry, Service, Snapshot


@dataclass(frozen=True)
class Ground:
    """What everything but routes is made of: all resources except VirtualServices, what runs, the keys."""

    bodies: tuple[Json, ...]
    registry: Registry
    jwks: Mapping[str, str]

    @classmethod
    def of(cls, config: Config, registry: Registry, jwks: Mapping[str, str]) -> Ground:
        return cls(
            tuple(resource.body for resource in config if resource.kind != "VirtualService"), registry, jwks
        )


class Alike:
    """What proxies have alike in one delivery (one configuration on one ground): made once for all."""

    def __init__(self) -> None:
        self._routes: dict[tuple[object, ...], Mapping[str, Json]] = {}
        self._selectors: list[Mapping[str, str]] | None = None

    def routes(self, view: View) -> Mapping[str, Json]:
        """The routes of a sidecar."""
        if self._selectors is None:
            self._selectors = outbound.client_selectors(view.config)
        audience = outbound.audience(view, self._selectors)
        if audience not in self._routes:
            self._routes[audience] = outbound.route_configurations(view)
        return self._routes[audience]


class Builder:
    """Builds the snapshots of one proxy, one after the other.

    On the same `ground` as before only routes are translated anew (and a gateway's listeners, which follow
    its routes); the rest is the very same object, so that nobody needs to compare it either.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._ground: Ground | None = None
        self._before = Snapshot({}, {}, {}, {})
        self._clusters = KeptClusters()
        self._reachable: Sequence[Service] = ()

    def build(self, ground: Ground, config: Config, alike: Alike | None = None) -> Snapshot:
        """As `build`; `ground` is `Ground.of` the same configuration, `alike` belongs to both."""
        view = View(self._proxy, config, ground.registry, ground.jwks)
        reachable = view.scope.reachable  # with a Sidecar, VirtualServices have a say in it
        same = reachable is self._reachable or reachable == self._reachable
        if not same or (ground is not self._ground and ground != self._ground):
            self._before = _build(view, self._clusters.outbound(view))
        else:
            if self._proxy.kind == "gateway":
                routes = gateway.route_configurations(view)
                self._before = replace(self._before, listeners=gateway.listeners(view), routes=routes)
            else:
                self._before = replace(self._before, routes=(alike or Alike()).routes(view))
        self._ground, self._reachable = ground, reachable
        return self._before


def build(proxy: Proxy, config: Config, registry: Registry, jwks: Mapping[str, str]) -> Snapshot:
    """Translate everything that concerns `proxy`.

    `jwks` holds the text of every `jwksUri` that could be fetched; tokens of an issuer whose keys are
    missing there all fail. Pure and total for validated configuration; equal inputs give equal snapshots.
    """
    view = View(proxy, config, registry, jwks)
    return _build(view, clusters.outbound(view))


def _build(view: View, outbound_clusters: Mapping[str, Json]) -> Snapshot:
    if view.proxy.kind == "gateway":
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
