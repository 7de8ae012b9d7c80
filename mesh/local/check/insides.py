"""Findings about addresses that somebody wrote and that lead into a pod, past its sidecar.

They stand in resources that maybe nobody has judged by themselves: under istiod that is its own business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mesh.local.check.mesh import Mesh
from mesh.local.documents import Path
from mesh.local.inside import is_inside, is_process
from mesh.local.model import Finding, Json, Resource
from mesh.local.resources import finding


def inside_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from inside_entries(mesh)
    for service in mesh.config.of("Service"):
        if service.spec.get("type") == "ExternalName":
            ports = [port.get("port") for port in _messages(service.spec.get("ports"))]
            yield from _judged(service, ("spec", "externalName"), service.spec.get("externalName"), ports)


def inside_entries(mesh: Mesh) -> Iterator[Finding]:
    """Those about what is Istio's own."""
    for entry in mesh.config.of("ServiceEntry"):
        yield from _of_entry(entry)
    for entry in mesh.config.of("WorkloadEntry"):
        spec = _map(entry.spec)
        ports = [*_map(spec.get("ports")).values(), *_wanted(mesh, entry)]
        yield from _judged(entry, ("spec", "address"), spec.get("address"), ports)


def _of_entry(entry: Resource) -> Iterator[Finding]:
    spec = _map(entry.spec)
    endpoints = spec.get("endpoints")
    for index, endpoint in enumerate(_list(endpoints)):
        if isinstance(endpoint, Mapping):
            ports = _ports_of(spec, _map(endpoint.get("ports")))
            path = ("spec", "endpoints", index, "address")
            yield from _judged(entry, path, endpoint.get("address"), ports)
    for field in _led_to(spec):
        for index, written in enumerate(_list(spec.get(field))):
            address = str(written).removesuffix("/32")
            yield from _judged(entry, ("spec", field, index), address, _ports_of(spec, {}))


def _led_to(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that requests go to where they say themselves, for want of endpoints."""
    if spec.get("resolution") in (None, "NONE"):
        return ("hosts", "addresses")
    return () if spec.get("endpoints") else ("hosts",)


def _ports_of(spec: Mapping[str, Any], own: Mapping[str, Any]) -> list[Any]:
    """The numbers that requests for the ports of a service go to at one endpoint."""
    ports = _messages(spec.get("ports"))
    return [own.get(str(port.get("name"))) or port.get("targetPort") or port.get("number") for port in ports]


def _wanted(mesh: Mesh, entry: Resource) -> Iterator[Any]:
    """The numbers that whoever selects an entry asks it for."""
    labels = {**_map(_map(entry.spec).get("labels")), **entry.labels}
    for service in (*mesh.config.of("ServiceEntry"), *mesh.config.of("Service")):
        spec = _map(service.spec)
        selector = _map(spec.get("selector") or _map(spec.get("workloadSelector")).get("labels"))
        if service.namespace == entry.namespace and selector and selector.items() <= labels.items():
            for port in _messages(spec.get("ports")):
                yield port.get("targetPort") or port.get("number") or port.get("port")


def _judged(resource: Resource, path: Path, written: Any, ports: Iterable[Any]) -> Iterator[Finding]:
    address = str(written or "")
    if is_process(address):
        message = (
            f"{address} is where a pod's process listens, behind its sidecar; nothing may lead past that"
        )
        yield finding(resource, path, message, id="DM0117")
        return
    numbers = (int(port) for port in ports if str(port).isdecimal())
    for port in sorted({number for number in numbers if is_inside(address, number)}):
        message = (
            f"{address}:{port} is a sidecar's own port, as on its pod's localhost; nothing may lead there"
        )
        yield finding(resource, path, message, id="DM0117")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _messages(value: Any) -> list[Json]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
