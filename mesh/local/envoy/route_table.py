"""The routes of one audience from configuration to configuration: an edit makes anew what it touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mesh.local.envoy import outbound
from mesh.local.envoy.delegates import VirtualService
from mesh.local.envoy.destination_rule import Hosts
from mesh.local.envoy.outbound import Obeyed
from mesh.local.envoy.view import View
from mesh.local.model import Json, Service, differing


@dataclass(frozen=True)
class _Kept:
    """The virtual hosts of a service, and the VirtualServices that may have answered for it."""

    owners: Sequence[VirtualService]
    hosts: Sequence[Json]


class RouteTable:
    """What `outbound.route_configurations` gives, made of the last one where that is sound.

    A service's virtual hosts follow from the services that are seen, from who owns its host, and from the
    DestinationRules of where that leads. Whatever else changes makes all of them anew.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._l4: Sequence[VirtualService] = ()
        self._kept: dict[str, _Kept] = {}
        self._taken: set[str] = set()
        self._made: Mapping[str, Json] = {}

    def routes(self, view: View) -> Mapping[str, Json]:
        """The RouteConfigurations of a sidecar; for the configuration of the last time, the very same."""
        before = self._view
        if before is not None and view.config is before.config and view.registry is before.registry:
            return self._made
        rules = Obeyed(view)
        if before is None or not _same_ground(view, before) or not _all_are(rules.l4, self._l4):
            self._begin(view, rules)
        else:
            self._go_on(view, rules, Hosts(differing(view.config, before.config, "DestinationRule")))
        self._view, self._l4 = view, rules.l4
        rest = outbound.freed(outbound.of_no_service(view, rules), set(self._taken))
        hosts = [host for kept in self._kept.values() for host in kept.hosts]
        self._made = outbound.table(view, [*hosts, *map(outbound.envoy_host, rest)])
        return self._made

    def _begin(self, view: View, rules: Obeyed) -> None:
        self._taken = outbound.reserved(view.scope.services)
        self._kept = {}
        for service in view.scope.services:
            hosts = outbound.freed(outbound.of_service(view, service, rules), self._taken)
            owners = rules.owners.of(service.hostname)
            self._kept[service.hostname] = _Kept(owners, [*map(outbound.envoy_host, hosts)])

    def _go_on(self, view: View, rules: Obeyed, touched: Hosts) -> None:
        for service in view.scope.services:
            kept = self._kept[service.hostname]
            owners = rules.owners.of(service.hostname)
            if not _all_are(owners, kept.owners) or _leads_to(touched, service, owners, rules.l4):
                self._kept[service.hostname] = _Kept(owners, self._anew(view, service, rules, kept.hosts))

    def _anew(self, view: View, service: Service, rules: Obeyed, before: Sequence[Json]) -> list[Json]:
        """The routes are new; who has which domain has not changed. Of two of one name it is the first."""
        domains = {host["name"]: host["domains"] for host in before}
        made = map(outbound.envoy_host, outbound.of_service(view, service, rules))
        return [{**host, "domains": domains.pop(host["name"])} for host in made if host["name"] in domains]


def _same_ground(view: View, before: View) -> bool:
    """Whether no more than rules of traffic may have changed for these routes."""
    return (
        _same_hosts(view, before)
        and view.mesh is before.mesh
        and view.registry_only == before.registry_only
        and (view.scope is before.scope or view.scope.services == before.scope.services)
        and (view.scope is before.scope or view.scope.reachable == before.scope.reachable)
    )


def _same_hosts(view: View, before: View) -> bool:
    """Whether the registry leads where it did. Pods are no hosts but those of headless services."""
    if view.registry is before.registry:
        return True
    headless = any(service.headless for service in view.scope.services)
    return not headless and view.registry.elsewhere == before.registry.elsewhere


def _all_are(ones: Sequence[VirtualService], others: Sequence[VirtualService]) -> bool:
    return len(ones) == len(others) and all(one is other for one, other in zip(ones, others, strict=True))


def _leads_to(
    touched: Hosts, service: Service, owners: Iterable[VirtualService], l4: Iterable[VirtualService]
) -> bool:
    """Whether a rule that has changed may speak for a destination of the service's routes."""
    if not touched:
        return False
    if any(port.protocol == "tcp" for port in service.ports) and any(True for _ in l4):
        return True
    return service.hostname in touched or any(
        host in touched for owner in owners for host in owner.destinations
    )
