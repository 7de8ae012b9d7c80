"""A Kubernetes Service as the mesh knows it."""

from __future__ import annotations

from mesh.local.model import Endpoint, Json, Resource, Service, ServicePort
from mesh.local.registry.protocols import of_port
from mesh.local.schema.selectors import EXPORT_TO_ANNOTATION

HEADLESS = "None"


def service(resource: Resource) -> Service:
    """An ExternalName is a service with the one endpoint that it names, until `aliases` knows better."""
    spec = resource.spec
    written = spec.get("clusterIP") or ""
    external = str(spec.get("externalName") or "") if spec.get("type") == "ExternalName" else ""
    exported = resource.annotations.get(EXPORT_TO_ANNOTATION) or ""
    return Service(
        resource.name,
        resource.namespace,
        tuple(_port(port) for port in spec.get("ports") or [] if (port.get("protocol") or "TCP") == "TCP"),
        {} if external else spec.get("selector") or {},
        written if written not in ("", HEADLESS) and not external else None,
        headless=written == HEADLESS and not external,
        even_unready=bool(spec.get("publishNotReadyAddresses")),
        exported_to=tuple(part.strip() for part in exported.split(",") if part.strip()),
        resolution="DNS" if external else "STATIC",
        external=bool(external),
        endpoints=(_named(resource, external),) if external else (),
    )


def _port(port: Json) -> ServicePort:
    return ServicePort(
        name=port.get("name") or "",
        number=int(port["port"]),
        target_port=port.get("targetPort") or int(port["port"]),
        protocol=of_port(port.get("name") or "", port.get("appProtocol")),
    )


def _named(resource: Resource, host: str) -> Endpoint:
    """Where the DNS of an ExternalName leads."""
    address = host.rstrip(".").lower()
    return Endpoint(address, resource.namespace, address, {}, "", {}, False, True, resource.name)
