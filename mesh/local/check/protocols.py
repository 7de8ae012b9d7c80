"""Findings about ports that are TCP to the mesh, and rules for HTTP that therefore do not act there."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.check.mesh import Mesh, PodTemplate, full_host
from mesh.local.envoy.authorization_policy import OPERATIONS, SOURCES, WHEN
from mesh.local.model import Finding, Json, Resource
from mesh.local.registry.protocols import protocol, spoken
from mesh.local.resources import finding
from mesh.local.schema.virtual_service import MESH

Path = tuple[str | int, ...]


def protocol_findings(mesh: Mesh) -> Iterator[Finding]:
    if not mesh.has_workloads:
        return
    for policy in mesh.config.of("AuthorizationPolicy"):
        yield from _http_fields_for_tcp(mesh, policy)
    yield from _tokens_on_tcp(mesh)
    yield from _two_protocols(mesh)


def is_http(port: Json) -> bool:
    """Whether the mesh reads a Service's port as HTTP."""
    return protocol(spoken(str(port.get("name") or ""), port.get("appProtocol"))) != "tcp"


def http_route_findings(mesh: Mesh) -> Iterator[Finding]:
    """HTTP rules of sidecars for a Service that has no HTTP port."""
    for resource in mesh.config.of("VirtualService"):
        if not resource.spec.get("http") or MESH not in (resource.spec.get("gateways") or [MESH]):
            continue
        for written in resource.spec.get("hosts") or []:
            service = mesh.knows(full_host(written, resource.namespace))
            if service is not None and service.ports and all(one.protocol == "tcp" for one in service.ports):
                ports = [{"port": one.number, "name": one.name} for one in service.ports]
                what = f"{service.declared[0]}/{service.namespace}/{service.declared[1] or service.name}"
                message = (
                    f"no port of {what} is HTTP to the mesh, no request meets these rules: {_how(ports)}"
                )
                yield finding(resource, ("spec", "http"), message, warning=True, id="DM0112")


def _how(ports: list[Json]) -> str:
    names = ", ".join(f'{port["port"]} is named "{port.get("name", "")}"' for port in ports)
    return f"{names}; name it http or http-..., or give it an appProtocol"


def _http_fields_for_tcp(mesh: Mesh, policy: Resource) -> Iterator[Finding]:
    """HTTP fields of a policy all of whose ports are TCP: ALLOW never matches, DENY forgets the field."""
    pods = mesh.selected(policy.namespace, _labels_of(policy))
    action = policy.spec.get("action") or "ALLOW"
    for index, rule in enumerate(policy.spec.get("rules") or []):
        fields = list(_http_fields(rule or {}))
        ports = _ports_of(mesh, pods, rule or {}) if fields else []
        if not ports or any(is_http(port) for port in ports):
            continue
        path, name = fields[0]
        effect = (
            f"an ALLOW rule with {name} never matches there"
            if action == "ALLOW"
            else f"{action} leaves {name} out there, and is wider than it reads"
        )
        message = f"every port that this is for is TCP to the mesh: {effect}; {_how(ports)}"
        yield finding(policy, ("spec", "rules", index, *path), message, warning=True, id="DM0112")


def _labels_of(policy: Resource) -> dict[str, str]:
    labels: dict[str, str] = (policy.spec.get("selector") or {}).get("matchLabels") or {}
    return labels


def _http_fields(rule: Json) -> Iterator[tuple[Path, str]]:
    """What of a rule only HTTP has, with its place in the rule."""
    for word, inner, conditions in (("from", "source", SOURCES), ("to", "operation", OPERATIONS)):
        for index, entry in enumerate(rule.get(word) or []):
            for name in entry.get(inner) or {}:
                plain = name.removeprefix("not")
                known = conditions.get(plain[0].lower() + plain[1:])
                if known and known.http:
                    yield (word, index, inner, name), name
    for index, condition in enumerate(rule.get("when") or []):
        key = str(condition.get("key", ""))
        known = WHEN.get(key)
        if (known and known.http) or key.startswith(("request.headers[", "request.auth.claims")):
            yield ("when", index, "key"), key


def _ports_of(mesh: Mesh, pods: list[PodTemplate], rule: Json) -> list[Json]:
    """The Services' ports that lead to these pods, of those that the rule asks for."""
    asked = {
        str(number)
        for entry in rule.get("to") or []
        for number in (entry.get("operation") or {}).get("ports") or []
    }
    found = {}
    for pod in pods:
        for service in mesh.services_of(pod):
            for index, port in enumerate(service.spec.get("ports") or []):
                if not asked or str(pod.target(port)) in asked:
                    found[(service.key, index)] = port
    return list(found.values())


def _tokens_on_tcp(mesh: Mesh) -> Iterator[Finding]:
    for policy in mesh.config.of("RequestAuthentication"):
        if not _labels_of(policy):
            continue
        ports = _ports_of(mesh, mesh.selected(policy.namespace, _labels_of(policy)), {})
        if ports and not any(is_http(port) for port in ports):
            message = f"no port of these workloads is HTTP to the mesh, so no token is read: {_how(ports)}"
            yield finding(policy, ("spec", "selector"), message, warning=True, id="IST0119")


def _two_protocols(mesh: Mesh) -> Iterator[Finding]:
    """Two Services that lead to one container port, one by HTTP and one by TCP: the first by name counts."""
    for pod in mesh.pods:
        first: dict[int, tuple[Resource, Json]] = {}
        for service in mesh.services_of(pod):
            for index, port in enumerate(service.spec.get("ports") or []):
                target = pod.target(port)
                if target is None:
                    continue
                owner, before = first.setdefault(target, (service, port))
                if owner is not service and is_http(before) is not is_http(port):
                    message = (
                        f"{owner} leads to port {target} of {pod.workload} by another protocol and comes "
                        "first: the sidecar goes by that"
                    )
                    path: Path = ("spec", "ports", index)
                    yield finding(service, path, message, warning=True, id="IST0116")
