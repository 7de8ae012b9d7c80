"""Findings about rules for connections that no connection meets, and about questions that nobody answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mesh.local.check.mesh import Mesh, full_host
from mesh.local.envoy.ext_authz import GRPC_KIND, HTTP_KIND
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.model import Finding, Json, Resource, Service
from mesh.local.resources import finding
from mesh.local.schema.virtual_service import MESH


def connection_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _unasked(mesh)
    for resource in mesh.config.of("VirtualService"):
        if MESH not in (resource.spec.get("gateways") or [MESH]):
            continue
        hosts = (full_host(host, resource.namespace) for host in resource.spec.get("hosts") or [])
        known = [service for host in hosts if (service := mesh.knows(host)) is not None]
        if known:
            yield from _idle(resource, known)
            yield from _without_address(resource, known)


def _idle(resource: Resource, known: Sequence[Service]) -> Iterator[Finding]:
    ports = [port for service in known for port in service.ports]
    if resource.spec.get("tls") and not any(port.tls for port in ports):
        message = (
            "no port of these hosts is named or declared tls or https: inside the mesh nothing meets this"
        )
        yield finding(resource, ("spec", "tls"), message, warning=True, id="DM0116")
    if resource.spec.get("tcp") and not any(port.protocol == "tcp" and not port.tls for port in ports):
        message = "every port of these hosts speaks HTTP or TLS: inside the mesh nothing meets this"
        yield finding(resource, ("spec", "tcp"), message, warning=True, id="DM0116")


def _without_address(resource: Resource, known: Sequence[Service]) -> Iterator[Finding]:
    if any(service.cluster_ip or service.addresses for service in known):
        return
    for kind in ("tcp", "tls"):
        for index, route in enumerate(resource.spec.get(kind) or []):
            for number, match in enumerate(route.get("match") or []):
                if match.get("destinationSubnets"):
                    path = ("spec", kind, index, "match", number, "destinationSubnets")
                    message = "no address of these hosts is known, so none is in a subnet: write a clusterIP"
                    yield finding(resource, path, message, warning=True, id="DM0116")


def _unasked(mesh: Mesh) -> Iterator[Finding]:
    """CUSTOM policies whose provider is not there deny what they match."""
    declared: Sequence[Json] = mesh_config(mesh.config).raw.get("extensionProviders") or []
    names = {one["name"] for one in declared if HTTP_KIND in one or GRPC_KIND in one}
    for policy in mesh.config.of("AuthorizationPolicy"):
        asked = (policy.spec.get("provider") or {}).get("name")
        if policy.spec.get("action") == "CUSTOM" and asked not in names:
            message = (
                f'no extension provider for authorization is named "{asked}": what the rules match is denied'
            )
            yield finding(policy, ("spec", "provider", "name"), message, warning=True, id="DM0108")
