"""Findings about addresses that somebody wrote and that lead into a pod, past its sidecar.

They stand in resources that maybe nobody has judged by themselves: under istiod that is its own business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.local.check.mesh import Mesh
from mesh.local.documents import Path
from mesh.local.inside import is_inside, is_process
from mesh.local.model import CLUSTER_DOMAIN, Config, Finding, Json, Resource
from mesh.local.resources import finding
from mesh.local.schema.text import is_ip

INSIDE = "DM0118"  # the id of all of them


@dataclass(frozen=True)
class _Written:
    """An address or a name, and the numbers of the ports that are asked for there."""

    resource: Resource
    path: Path
    address: str
    ports: frozenset[int]

    def leads_inside(self, address: str) -> Iterator[str]:
        """Why it is wrong that this leads to `address`."""
        if is_process(address):
            yield f"{address} is where a pod's process listens, behind its sidecar: no request is led there"
            return
        for port in sorted(number for number in self.ports if is_inside(address, number)):
            yield f"{address}:{port} is a sidecar's own port: no request is led there"


def inside_findings(mesh: Mesh) -> Iterator[Finding]:
    for one in _written(mesh):
        for why in one.leads_inside(one.address):
            yield finding(one.resource, one.path, why, warning=True, id=INSIDE)


def names(config: Config) -> set[str]:
    """The names among what is written that DNS is asked for."""
    return {one.address for one in _written(Mesh(config)) if _is_name(one.address)}


def named_insides(config: Config, known: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    """The findings about names, by the addresses that DNS has for each."""
    for one in _written(Mesh(config)):
        if any(one.leads_inside(one.address)):
            continue  # which needs no DNS
        for address in known.get(one.address, ()):
            for why in one.leads_inside(address):
                message = f"DNS has {address} for it now; {why}"
                yield finding(one.resource, one.path, message, warning=True, id=INSIDE)


def _is_name(address: str) -> bool:
    return bool(address) and "*" not in address and not (is_ip(address) or address.endswith(CLUSTER_DOMAIN))


def _written(mesh: Mesh) -> Iterator[_Written]:
    for entry in mesh.config.of("ServiceEntry"):
        yield from _of_entry(entry)
    for entry in mesh.config.of("WorkloadEntry"):
        spec = _map(entry.spec)
        ports = [*_map(spec.get("ports")).values(), *_wanted(mesh, entry)]
        yield _of(entry, ("spec", "address"), spec.get("address"), ports)
    for service in mesh.config.of("Service"):
        if service.spec.get("type") == "ExternalName":
            ports = [port.get("port") for port in _messages(service.spec.get("ports"))]
            yield _of(service, ("spec", "externalName"), service.spec.get("externalName"), ports)


def _of(resource: Resource, path: Path, address: Any, ports: Iterable[Any]) -> _Written:
    numbers = frozenset(int(port) for port in ports if str(port).isdecimal())
    return _Written(resource, path, str(address or "").removesuffix("/32"), numbers)


def _of_entry(entry: Resource) -> Iterator[_Written]:
    spec = _map(entry.spec)
    for index, endpoint in enumerate(_list(spec.get("endpoints"))):
        own = _map(endpoint)
        ports = _ports_of(spec, _map(own.get("ports")))
        yield _of(entry, ("spec", "endpoints", index, "address"), own.get("address"), ports)
    for field in _led_to(spec):
        for index, written in enumerate(_list(spec.get(field))):
            yield _of(entry, ("spec", field, index), written, _ports_of(spec, {}))


def _led_to(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that requests go to where they say themselves, for want of endpoints."""
    resolution = spec.get("resolution") or "NONE"
    if resolution == "NONE":
        return ("hosts", "addresses")
    elsewhere = resolution == "STATIC" or spec.get("endpoints") or spec.get("workloadSelector")
    return () if elsewhere else ("hosts",)


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


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _messages(value: Any) -> list[Json]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
