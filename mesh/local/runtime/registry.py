"""Services and the pods behind them, as the translators see them (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from mesh.local import templates
from mesh.local.envoy.view import selects
from mesh.local.model import Config, Endpoint, Json, Protocol, Registry, Resource, Service, ServicePort
from mesh.local.runtime.manifest import PodManifest

# Istio's rule: `appProtocol`, else the port name up to its first dash, else plain TCP.
_PROTOCOLS: dict[str, Protocol] = {
    "http": "http",
    "http2": "http2",
    "grpc": "http2",
    "grpc-web": "http2",
    "kubernetes.io/h2c": "http2",
    "kubernetes.io/ws": "http",
}


PublicIp = Callable[[str], str]


def registry(config: Config, endpoints: Iterable[Endpoint], public_ip: PublicIp) -> Registry:
    """What runs, under the names of its Services; in a stable order, so that equal states are equal.

    `public_ip` gives the address of a Service in front of a gateway, by `namespace/name`.
    """
    services = [
        service(resource) for resource in config.of("Service") if resource.spec.get("type") != "ExternalName"
    ]
    gateways = list(_gateways(config))
    for index, known in enumerate(services):
        if any(known.namespace == space and selects(known.selector, labels) for space, labels in gateways):
            services[index] = replace(known, public_ip=public_ip(f"{known.namespace}/{known.name}"))
    ordered = sorted(endpoints, key=lambda endpoint: (endpoint.namespace, endpoint.pod))
    return Registry(tuple(services), tuple(ordered))


def _gateways(config: Config) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Namespace and labels of every gateway's pods."""
    for kind in templates.LASTING:
        for resource in config.of(kind):
            body = templates.template(resource)
            manifest = PodManifest(resource.name, resource.namespace, resource.name, body)
            if manifest.gateway:
                yield resource.namespace, manifest.labels


def service(resource: Resource) -> Service:
    ports = tuple(
        ServicePort(
            name=port.get("name") or "",
            number=int(port["port"]),
            target_port=port.get("targetPort") or int(port["port"]),
            protocol=protocol(port),
        )
        for port in resource.spec.get("ports") or []
        if (port.get("protocol") or "TCP") == "TCP"
    )
    cluster_ip = resource.spec.get("clusterIP")
    return Service(
        resource.name,
        resource.namespace,
        ports,
        resource.spec.get("selector") or {},
        None if cluster_ip in (None, "", "None") else cluster_ip,
    )


def protocol(port: Json) -> Protocol:
    if said := port.get("appProtocol"):
        return _PROTOCOLS.get(str(said).lower(), "tcp")
    name = (port.get("name") or "").lower()
    if name.startswith("grpc-web"):
        return "http2"
    return _PROTOCOLS.get(name.partition("-")[0], "tcp")
