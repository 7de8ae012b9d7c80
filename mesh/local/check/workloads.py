"""Findings about policies and the workloads they are for: what selects nothing, what contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mesh.local.check.mesh import Mesh, full_host
from mesh.local.model import ROOT_NAMESPACE, Finding, Json, Resource
from mesh.local.resources import finding

POLICIES = ("PeerAuthentication", "RequestAuthentication", "AuthorizationPolicy")
PORT_PROTOCOLS = frozenset(
    ("http", "http2", "https", "tcp", "tls", "grpc", "grpc-web", "mongo", "mysql", "redis", "udp")
)
_OWN_TLS = ("DISABLE", "SIMPLE", "MUTUAL")

Path = tuple[str | int, ...]


def workload_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _ignored_policies(mesh)
    if not mesh.has_workloads:
        return
    yield from _idle_selectors(mesh)
    yield from _idle_subsets(mesh)
    yield from _idle_services(mesh)
    yield from _hidden_http(mesh)
    yield from _mtls_conflicts(mesh)


def _ignored_policies(mesh: Mesh) -> Iterator[Finding]:
    for policy in mesh.config.of("PeerAuthentication"):
        if policy.namespace == ROOT_NAMESPACE and _labels_of(policy):
            message = f"a PeerAuthentication with a selector is ignored in {ROOT_NAMESPACE}"
            yield finding(policy, ("spec", "selector"), message, warning=True)


def _labels_of(policy: Resource) -> Mapping[str, str]:
    return (policy.spec.get("selector") or {}).get("matchLabels") or {}


def _idle_selectors(mesh: Mesh) -> Iterator[Finding]:
    for kind in POLICIES:
        for policy in mesh.config.of(kind):
            labels = _labels_of(policy)
            if labels and not mesh.selected(policy.namespace, labels):
                message = f"selects no workload: {_written(labels)}"
                yield finding(policy, ("spec", "selector", "matchLabels"), message, warning=True)
    for rule in mesh.config.of("DestinationRule"):
        labels = (rule.spec.get("workloadSelector") or {}).get("matchLabels") or {}
        if labels and not mesh.selected(rule.namespace, labels):
            message = f"selects no workload: {_written(labels)}"
            yield finding(rule, ("spec", "workloadSelector", "matchLabels"), message, warning=True)
    for gateway in mesh.config.of("Gateway"):
        labels = gateway.spec.get("selector") or {}
        if not any(pod.fits(labels) for pod in mesh.pods):
            message = f"selects no gateway: {_written(labels)}"
            yield finding(gateway, ("spec", "selector"), message, warning=True)


def _written(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _idle_subsets(mesh: Mesh) -> Iterator[Finding]:
    for rule in mesh.config.of("DestinationRule"):
        host = full_host(rule.spec["host"], rule.namespace)
        service = mesh.services.get(host)
        if service is None:
            if "*" not in host and mesh.knows(host) is None:
                message = f'unknown host "{rule.spec["host"]}": {mesh.missing(host)}'
                yield finding(rule, ("spec", "host"), message, warning=True)
            continue
        pods = mesh.pods_of(service)
        for index, subset in enumerate(rule.spec.get("subsets") or []):
            if not any(pod.fits(subset.get("labels") or {}) for pod in pods):
                message = f'no pod of {host} has the labels of subset "{subset["name"]}"'
                yield finding(rule, ("spec", "subsets", index, "labels"), message, warning=True)


def _idle_services(mesh: Mesh) -> Iterator[Finding]:
    for service in mesh.services.values():
        selector = service.spec.get("selector")
        if selector and not mesh.pods_of(service):
            message = f"selects no workload: {_written(selector)}; requests are answered 503"
            yield finding(service, ("spec", "selector"), message, warning=True)


def _hidden_http(mesh: Mesh) -> Iterator[Finding]:
    for service in mesh.services.values():
        for index, port in enumerate(service.spec.get("ports") or []):
            name = port.get("name", "")
            if port.get("appProtocol") or not service.spec.get("selector"):
                continue
            if name.split("-")[0] not in PORT_PROTOCOLS:
                yield finding(
                    service,
                    ("spec", "ports", index),
                    f'port {port["port"]} is treated as TCP, because its name "{name}" tells no protocol: '
                    "HTTP routes and policies do not see it; name it http or http-...",
                    warning=True,
                )


def _mtls_conflicts(mesh: Mesh) -> Iterator[Finding]:
    for rule in mesh.config.of("DestinationRule"):
        service = mesh.services.get(full_host(rule.spec["host"], rule.namespace))
        if service is None or not mesh.pods_of(service) or not _is_strict(mesh, service):
            continue
        for path, mode in _tls_modes(rule.spec):
            if mode in _OWN_TLS:
                message = f"{mode} contradicts PeerAuthentication STRICT of {service}: answered 503"
                yield finding(rule, path, message, warning=True)


def _tls_modes(spec: Json) -> Iterator[tuple[Path, str]]:
    policies: list[tuple[Path, Json]] = [(("spec", "trafficPolicy"), spec.get("trafficPolicy") or {})]
    for index, subset in enumerate(spec.get("subsets") or []):
        policies.append((("spec", "subsets", index, "trafficPolicy"), subset.get("trafficPolicy") or {}))
    for path, policy in policies:
        for inner, block in ((path, policy), *_port_levels(path, policy)):
            if "tls" in block:
                yield (*inner, "tls", "mode"), block["tls"].get("mode", "DISABLE")


def _port_levels(path: Path, policy: Json) -> Iterator[tuple[Path, Json]]:
    for index, port in enumerate(policy.get("portLevelSettings") or []):
        yield (*path, "portLevelSettings", index), port


def _is_strict(mesh: Mesh, service: Resource) -> bool:
    """Is the mode that is in force for all of the service's pods STRICT? Port-level exceptions end it."""
    return all(_mode(mesh, service.namespace, pod.labels) == "STRICT" for pod in mesh.pods_of(service))


def _mode(mesh: Mesh, namespace: str, labels: Mapping[str, str]) -> str:
    """Workload before namespace before mesh; UNSET inherits."""
    levels: dict[int, str] = {}
    for policy in mesh.config.of("PeerAuthentication"):
        selector = _labels_of(policy)
        if policy.namespace == namespace and selector and selector.items() <= labels.items():
            level = 0
        elif not selector and policy.namespace in (namespace, ROOT_NAMESPACE):
            level = 1 if policy.namespace == namespace else 2
        else:
            continue
        mode = (policy.spec.get("mtls") or {}).get("mode", "UNSET")
        if policy.spec.get("portLevelMtls"):
            return "PER_PORT"
        if mode != "UNSET":
            levels.setdefault(level, mode)
    return levels[min(levels)] if levels else "PERMISSIVE"
