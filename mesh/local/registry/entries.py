"""ServiceEntries and WorkloadEntries: services and endpoints that people write down."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import cast

from mesh.local.model import Endpoint, Json, Resolution, Resource, Service, ServicePort
from mesh.local.registry.protocols import is_tls, protocol

TLS_MODE = "security.istio.io/tlsMode"
EXTERNAL = "MESH_EXTERNAL"


def entry_services(resource: Resource) -> list[Service]:
    """A service for each host of a ServiceEntry."""
    return [_service(resource, str(host).lower()) for host in resource.spec.get("hosts") or []]


def _service(resource: Resource, host: str) -> Service:
    spec = resource.spec
    resolution = cast("Resolution", spec.get("resolution") or "NONE")
    selector = (spec.get("workloadSelector") or {}).get("labels") or {}
    return Service(
        name=host,
        namespace=resource.namespace,
        ports=tuple(_port(port) for port in spec.get("ports") or []),
        selector=selector,
        host=host,
        addresses=tuple(_address(str(address)) for address in spec.get("addresses") or []),
        resolution=resolution,
        external=(spec.get("location") or EXTERNAL) == EXTERNAL,
        exported_to=tuple(spec.get("exportTo") or ()),
        endpoints=tuple(_endpoints(resource, resolution, host)),
        subject_alt_names=tuple(spec.get("subjectAltNames") or ()),
        declared=("ServiceEntry", resource.name),
    )


def _port(port: Json) -> ServicePort:
    number = int(port["number"])
    target = int(port.get("targetPort") or number)
    word = port.get("protocol") or ""
    return ServicePort(str(port.get("name") or ""), number, target, protocol(word), is_tls(word))


def _address(written: str) -> str:
    """A range of one address is that address."""
    if "/" not in written:
        return written
    net = ipaddress.ip_network(written, strict=False)
    return str(net.network_address) if net.num_addresses == 1 else written


def _endpoints(resource: Resource, resolution: Resolution, host: str) -> list[Endpoint]:
    """Those written; a host that DNS resolves is its own endpoint where there is none."""
    spec = resource.spec
    written = spec.get("endpoints") or []
    if resolution.startswith("DNS") and not written and not spec.get("workloadSelector"):
        return [_endpoint(resource, resource.name, {"address": host}, {})]
    return [_endpoint(resource, f"{resource.name}-{index}", one, {}) for index, one in enumerate(written)]


def workload_endpoint(resource: Resource) -> Endpoint:
    """A WorkloadEntry, which selectors pick as they pick a pod; labels of its metadata count first."""
    return _endpoint(resource, resource.name, resource.spec, resource.labels)


def _endpoint(resource: Resource, name: str, written: Json, more: Mapping[str, str]) -> Endpoint:
    labels = {**(written.get("labels") or {}), **more}
    account = written.get("serviceAccount") or ""
    ports = {str(port): int(number) for port, number in (written.get("ports") or {}).items()}
    return Endpoint(
        pod=name,
        namespace=resource.namespace,
        address=str(written.get("address") or "").lower(),
        labels=labels,
        service_account=account,
        ports=ports,
        sidecar=labels[TLS_MODE] == "istio" if TLS_MODE in labels else bool(account),
        ready=True,
        workload=name,
        at=ports,
        weight=int(written.get("weight") or 1),
        locality=written.get("locality") or "",
        written=True,
    )
