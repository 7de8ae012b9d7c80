"""Who can be called, and who takes the calls: resources and running pods as one registry (pure).

Translators ask the registry only: none of them knows whether a service is a Kubernetes Service or a host of
a ServiceEntry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mesh.local.model import Config, Endpoint, Registry, Resource, Service
from mesh.local.registry.aliases import resolved
from mesh.local.registry.entries import entry_services, workload_endpoint
from mesh.local.registry.kubernetes import services as kubernetes_services
from mesh.local.registry.merging import merged

Translate = Callable[[Resource], list[Service]]

__all__ = ["declared", "registry"]


def declared(config: Config) -> list[Service]:
    """Every service that resources declare: Kubernetes' first, so that no entry takes a Service's name."""
    kubernetes = [service for _, service in _declared(config, "Service", kubernetes_services)]
    return [*kubernetes, *merged(_declared(config, "ServiceEntry", entry_services))]


def _declared(config: Config, kind: str, translate: Translate) -> Iterator[tuple[Resource, Service]]:
    for resource in config.of(kind):
        if "services" not in resource.remembered:
            resource.remembered["services"] = translate(resource)
        for service in resource.remembered["services"]:
            yield resource, service


def registry(services: Sequence[Service], pods: Iterable[Endpoint], config: Config) -> Registry:
    """Services with what was written for them, and the endpoints for selectors, in a stable order."""
    entries = [workload_endpoint(resource) for resource in config.of("WorkloadEntry")]
    ordered = sorted([*pods, *entries], key=lambda endpoint: (endpoint.namespace, endpoint.pod))
    concrete, elsewhere = resolved(services)
    return Registry(concrete, tuple(ordered), elsewhere)
