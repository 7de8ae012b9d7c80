"""The whole desired state of one proxy, out of what people wrote and what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mesh.local.envoy import clusters, gateway, inbound, outbound
from mesh.local.envoy.kept_clusters import KeptClusters
from mesh.local.envoy.route_table import RouteTable
from mesh.local.envoy.view import View
from mesh.local.model import Config, Json, Proxy, Registry, Snapshot


@dataclass(frozen=True)
class Ground:
    """What everything but routes is made of: all resources except VirtualServices, what runs, the keys.

    VirtualServices with rules for TLS are among them: they make listeners.
    """

    bodies: tuple[Json, ...]
    registry: Registry
    jwks: Mapping[str, str]

    @classmethod
    def of(cls, config: Config, registry: Registry, jwks: Mapping[str, str]) -> Ground:
        return cls(
            tuple(
                resource.body
                for resource in config
                if resource.kind != "VirtualService" or resource.spec.get("tls")
            ),
            registry,
            jwks,
        )


class Routes:
    """The routes of sidecars, from configuration to configuration: made once for all that have them alike."""

    def __init__(self) -> None:
        self._tables: dict[tuple[object, ...], RouteTable] = {}
        self._before: dict[tuple[object, ...], RouteTable] = {}
        self._config: Config | None = None
        self._selectors: list[Mapping[str, str]] = []

    def of(self, view: View) -> Mapping[str, Json]:
        if view.config is not self._config:
            self._config, self._selectors = view.config, outbound.client_selectors(view.config)
            self._before, self._tables = self._tables, {}
        audience = outbound.audience(view, self._selectors)
        if audience not in self._tables:
            self._tables[audience] = self._before.get(audience) or RouteTable()
        return self._tables[audience].routes(view)


class Builder:
    """Builds the snapshots of one proxy, one after the other.

    An edit, or a pod that comes or goes, makes anew what it touches; the rest is the very same object as
    before, so that nobody needs to compare it either.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._ground: Ground | None = None
        self._view: View | None = None
        self._before = Snapshot({}, {}, {}, {})
        self._clusters = KeptClusters()

    def build(self, ground: Ground, config: Config, routes: Routes | None = None) -> Snapshot:
        """As `build`; `ground` is `Ground.of` the same configuration, `routes` are those of all proxies."""
        view = View(self._proxy, config, ground.registry, ground.jwks)
        made = self._routes(view, routes or Routes())
        if self._same_ground(ground, view):
            listeners = gateway.listeners(view) if self._proxy.kind == "gateway" else self._before.listeners
            self._before = replace(self._before, listeners=listeners, routes=made)
        else:
            self._before = _snapshot(view, self._clusters.outbound(view), made)
        self._ground, self._view = ground, view
        return self._before

    def _routes(self, view: View, routes: Routes) -> Mapping[str, Json]:
        return gateway.route_configurations(view) if self._proxy.kind == "gateway" else routes.of(view)

    def _same_ground(self, ground: Ground, view: View) -> bool:
        """Whether only VirtualServices may be other than before."""
        if self._ground is None or self._view is None or not _same_services(view, self._view):
            return False
        return ground is self._ground or ground == self._ground


def _same_services(view: View, before: View) -> bool:
    one, other = view.scope.reachable, before.scope.reachable  # with a Sidecar, VirtualServices have a say
    return one is other or one == other


def build(proxy: Proxy, config: Config, registry: Registry, jwks: Mapping[str, str]) -> Snapshot:
    """Translate everything that concerns `proxy`.

    `jwks` holds the text of every `jwksUri` that could be fetched; tokens of an issuer whose keys are
    missing there all fail. Pure and total for validated configuration; equal inputs give equal snapshots.
    """
    view = View(proxy, config, registry, jwks)
    routes = (gateway if proxy.kind == "gateway" else outbound).route_configurations(view)
    return _snapshot(view, clusters.outbound(view), routes)


def _snapshot(view: View, outwards: Mapping[str, Json], routes: Mapping[str, Json]) -> Snapshot:
    if view.proxy.kind == "gateway":
        return Snapshot(clusters=outwards, endpoints={}, listeners=gateway.listeners(view), routes=routes)
    return Snapshot(
        clusters={**outwards, **inbound.clusters(view), **outbound.clusters(view)},
        endpoints={},
        listeners={**inbound.listeners(view), **outbound.listeners(view)},
        routes=routes,
    )
