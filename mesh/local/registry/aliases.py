"""ExternalName: one more name of the service it names, or of a host that only DNS knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mesh.local.model import Service


def resolved(services: Sequence[Service]) -> tuple[tuple[Service, ...], tuple[Service, ...]]:
    """The services that are none, each with its aliases; and those whose name leads out of the registry.

    Names may lead over one another; those that lead in a circle are nowhere, as in DNS.
    """
    named = {service.hostname: service for service in services if _is_alias(service)}
    if not named:
        return tuple(services), ()
    concrete = [service for service in services if not _is_alias(service)]
    known = {service.hostname for service in concrete}
    aliases: dict[str, list[str]] = {}
    elsewhere = []
    for hostname, service in sorted(named.items()):
        target = _end(hostname, named)
        if target in known:
            aliases.setdefault(target, []).append(hostname)
        elif target is not None:
            elsewhere.append(replace(service, endpoints=(replace(service.endpoints[0], address=target),)))
    found = [
        replace(service, aliases=tuple(aliases[service.hostname])) if service.hostname in aliases else service
        for service in concrete
    ]
    return tuple(found), tuple(elsewhere)


def _is_alias(service: Service) -> bool:
    return service.declared[0] == "Service" and service.external


def _end(hostname: str, named: dict[str, Service]) -> str | None:
    """The host that a chain of names ends at; None for a circle."""
    seen: set[str] = set()
    while hostname in named:
        if hostname in seen:
            return None
        seen.add(hostname)
        hostname = named[hostname].endpoints[0].address
    return hostname
