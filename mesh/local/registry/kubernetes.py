"""A Kubernetes Service as the mesh knows it."""

from __future__ import annotations

from mesh.local.model import Endpoint, Json, Resource, Service, ServicePort
from mesh.local.registry.protocols import is_tls, protocol, spoken
from mesh.local.schema.selectors import EXPORT_TO_ANNOTATION

HEADLESS = "None"


def services(resource: Resource) -> list[Service]:
    """The one of a resource; an ExternalName has the endpoint that it names, until `aliases` knows better."""
    spec = resource.spec
    written = spec.get("clusterIP") or ""
    external = str(spec.get("externalName") or "") if spec.get("type") == "ExternalName" else ""
    exported = resource.annotations.get(EXPORT_TO_ANNOTATION) or ""
    made = Service(
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
    return [made]


def _port(port: Json) -> ServicePort:
    word = spoken(port.get("name") or "", port.get("appProtocol"))
    return ServicePort(
        name=port.get("name") or "",
        number=int(port["port"]),
        target_port=port.get("targetPort") or int(port["port"]),
        protocol=protocol(word),
        tls=is_tls(word),
    )


def _named(resource: Resource, host: str) -> Endpoint:
    """Where the DNS of an ExternalName leads."""
    address = host.rstrip(".").lower()
    return Endpoint(address, resource.namespace, address, {}, "", {}, False, True, resource.name)
