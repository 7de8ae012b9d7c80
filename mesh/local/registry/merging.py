"""ServiceEntries of one namespace with one host: to Istio they are one service with the ports of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mesh.local.model import Endpoint, Resource, Service


def merged(entries: Iterable[tuple[Resource, Service]]) -> list[Service]:
    """Services of entries in order; what is not alike in all but ports and endpoints is left to the first."""
    found: dict[tuple[str, str], tuple[Resource, Service]] = {}
    for resource, service in entries:
        key = (service.hostname, service.namespace)
        if key not in found:
            found[key] = resource, service
        elif alike(found[key], (resource, service)):
            found[key] = found[key][0], _together(found[key][1], service)
    return [service for _, service in found.values()]


def alike(one: tuple[Resource, Service], other: tuple[Resource, Service]) -> bool:
    """Whether Istio merges two services of one host."""
    return one[0].labels == other[0].labels and _nature(one[1]) == _nature(other[1])


def _nature(service: Service) -> tuple[object, ...]:
    return service.resolution, service.selector, sorted(service.exported_to)


def _together(first: Service, second: Service) -> Service:
    known = {port.number for port in first.ports}
    more = tuple(port for port in second.ports if port.number not in known)
    endpoints = (*_own(first), *_own(second))
    return replace(first, ports=(*first.ports, *more), endpoints=endpoints)


def _own(service: Service) -> Iterable[Endpoint]:
    """The endpoints with the numbers of their own entry's ports, which are all that they have."""
    for endpoint in service.endpoints:
        if endpoint.only:
            yield endpoint
        else:
            numbers = {port.name: endpoint.target(port) for port in service.ports}
            at = {name: number for name, number in numbers.items() if number is not None}
            yield replace(endpoint, at=at, only=True)
