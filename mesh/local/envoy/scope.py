"""What one client sees of the mesh: services by their `exportTo`, and what its Sidecar asks for.

A Sidecar names hosts; without one a client sees everything that is exported to its namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from mesh.local.envoy import names
from mesh.local.envoy.egress_hosts import EgressHosts
from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.model import ROOT_NAMESPACE, Config, Json, Proxy, Registry, Resource, Service

EVERYTHING = ["*/*"]


@dataclass(frozen=True)
class Scope:
    """`services` have virtual hosts, by host; `reachable` have clusters: rules may lead to more.

    `hosts` is None where no Sidecar restricts anything.
    """

    services: Sequence[Service]
    reachable: Sequence[Service]
    hosts: EgressHosts | None = None
    sidecar: Resource | None = None

    @cached_property
    def by_host(self) -> Mapping[str, Service]:
        return {service.hostname: service for service in self.reachable}

    def takes(self, rule: Resource, hosts: Iterable[str]) -> bool:
        """Whether a VirtualService with these hosts is obeyed."""
        return self.hosts is None or self.hosts.takes_rule(rule.namespace, hosts)


def scope_of(proxy: Proxy, config: Config, registry: Registry, mesh: MeshConfig) -> Scope:
    exported = _exported(registry, proxy.namespace, mesh.export_services)
    sidecar = sidecar_of(proxy, config)
    if sidecar is None:
        return exported
    written = [host for listener in sidecar.spec.get("egress") or [] for host in listener.get("hosts") or []]
    hosts = EgressHosts(written or EVERYTHING, proxy.namespace)
    every = (_asked(one, hosts) for one in _visible(registry, proxy.namespace, mesh.export_services))
    asked = _one_each((service for service in every if service is not None), proxy.namespace)
    known = {service.hostname for service in asked}
    led_to = _destinations(config, hosts)
    more = [service for service in exported.reachable if service.hostname in led_to - known]
    reachable = sorted([*asked, *more], key=lambda service: service.hostname)
    return Scope(asked, reachable, hosts, sidecar)


def sidecar_of(proxy: Proxy, config: Config) -> Resource | None:
    """The Sidecar for a proxy: by its labels, else its namespace's, else the root namespace's."""
    if proxy.kind == "gateway":
        return None
    chosen: Resource | None = None
    for sidecar in _sidecars(config).get(proxy.namespace, ()):
        labels = _selector(sidecar)
        if labels and labels.items() <= proxy.labels.items():
            return sidecar
        if not labels and chosen is None:
            chosen = sidecar
    if chosen is not None:
        return chosen
    root = _sidecars(config).get(ROOT_NAMESPACE, ())
    return next((sidecar for sidecar in root if not _selector(sidecar)), None)


def _selector(sidecar: Resource) -> Mapping[str, str]:
    return (sidecar.spec.get("workloadSelector") or {}).get("labels") or {}


@lru_cache(maxsize=4)
def _sidecars(config: Config) -> Mapping[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for resource in config.of("Sidecar"):
        found.setdefault(resource.namespace, []).append(resource)
    return found


def _exported(registry: Registry, namespace: str, default: tuple[str, ...]) -> Scope:
    """Everything that a namespace may use; found once for a registry."""
    key = ("exported", namespace, default)
    if key not in registry.remembered:
        services = _one_each(_visible(registry, namespace, default), namespace)
        registry.remembered[key] = Scope(services, services)
    found: Scope = registry.remembered[key]
    return found


def _visible(registry: Registry, namespace: str, default: tuple[str, ...]) -> Iterator[Service]:
    for service in registry.services:
        targets = service.exported_to or default
        if "*" in targets or namespace in targets or ("." in targets and service.namespace == namespace):
            yield service


def _one_each(services: Iterable[Service], namespace: str) -> list[Service]:
    """One service a host: the client's own namespace's, else a Kubernetes Service, else the first by name."""
    found: dict[str, Service] = {}
    for service in services:
        before = found.get(service.hostname)
        if before is None or _rank(service, namespace) < _rank(before, namespace):
            found[service.hostname] = service
    return sorted(found.values(), key=lambda service: service.hostname)


def _rank(service: Service, namespace: str) -> tuple[bool, bool]:
    return service.namespace != namespace, service.declared[0] != "Service"


def _asked(service: Service, hosts: EgressHosts) -> Service | None:
    """The service as a Sidecar asks for it, with those of its aliases that it asks for too."""
    if not hosts.takes_service(service.namespace, service.hostname):
        return None
    if not service.aliases:
        return service
    kept = tuple(alias for alias in service.aliases if hosts.takes_service(service.namespace, alias))
    return service if kept == service.aliases else replace(service, aliases=kept)


def _destinations(config: Config, hosts: EgressHosts) -> set[str]:
    """The hosts that VirtualServices lead to which a Sidecar asks for."""
    found: set[str] = set()
    for rule in config.of("VirtualService"):
        mine = [names.resolve(str(host), rule.namespace).lower() for host in rule.spec.get("hosts") or []]
        if hosts.takes_rule(rule.namespace, mine):
            found.update(_led_to(config, rule))
    return found


def _led_to(config: Config, rule: Resource) -> Iterator[str]:
    """The destinations of a rule and of those that it delegates to."""
    yield from (names.resolve(host, rule.namespace) for host in _destinations_of(rule.spec))
    for route in rule.spec.get("http") or []:
        if to := route.get("delegate"):
            other = config.get("VirtualService", to.get("namespace") or rule.namespace, to.get("name", ""))
            if other is not None:
                yield from (names.resolve(host, other.namespace) for host in _destinations_of(other.spec))


def _destinations_of(spec: Json) -> Iterator[str]:
    for kind in ("http", "tcp", "tls"):
        for route in spec.get(kind) or []:
            for part in [*(route.get("route") or []), *(route.get("mirrors") or [])]:
                yield str((part.get("destination") or {}).get("host") or "")
            if route.get("mirror"):
                yield str(route["mirror"].get("host") or "")
