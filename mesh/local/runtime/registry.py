"""Services and the pods behind them, as the translators see them (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from mesh.local import registry as registries
from mesh.local import templates
from mesh.local.envoy.view import selects
from mesh.local.model import Config, Endpoint, Registry
from mesh.local.runtime.manifest import PodManifest

PublicIp = Callable[[str], str]


def registry(config: Config, endpoints: Iterable[Endpoint], public_ip: PublicIp) -> Registry:
    """What runs, under the names of its Services; in a stable order, so that equal states are equal.

    `public_ip` gives the address of a Service in front of a gateway, by `namespace/name`.
    """
    services = registries.declared(config)
    gateways = list(_gateways(config))
    for index, known in enumerate(services):
        if known.selector and any(
            known.namespace == space and selects(known.selector, labels) for space, labels in gateways
        ):
            services[index] = replace(known, public_ip=public_ip(f"{known.namespace}/{known.name}"))
    return registries.registry(services, endpoints, config)


def _gateways(config: Config) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Namespace and labels of every gateway's pods."""
    for kind in templates.LASTING:
        for resource in config.of(kind):
            body = templates.template(resource)
            manifest = PodManifest(resource.name, resource.namespace, resource.name, body)
            if manifest.gateway:
                yield resource.namespace, manifest.labels
