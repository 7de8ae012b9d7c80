"""Findings about policies and the workloads they are for: what selects nothing, what contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mesh.local.check.mesh import Mesh, full_host
from mesh.local.model import ROOT_NAMESPACE, Finding, Resource
from mesh.local.resources import finding

POLICIES = ("PeerAuthentication", "RequestAuthentication", "AuthorizationPolicy")
PORT_PROTOCOLS = frozenset(
    ("http", "http2", "https", "tcp", "tls", "grpc", "grpc-web", "mongo", "mysql", "redis", "udp")
)


def workload_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _ignored_policies(mesh)
    if not mesh.has_workloads:
        return
    yield from _idle_selectors(mesh)
    yield from _idle_subsets(mesh)
    yield from _idle_services(mesh)
    yield from _hidden_http(mesh)


def _ignored_policies(mesh: Mesh) -> Iterator[Finding]:
    for policy in mesh.config.of("PeerAuthentication"):
        if policy.namespace == ROOT_NAMESPACE and _labels_of(policy):
            message = f"a PeerAuthentication with a selector is ignored in {ROOT_NAMESPACE}"
            yield finding(policy, ("spec", "selector"), message, warning=True, id="DM0110")


def _labels_of(policy: Resource) -> Mapping[str, str]:
    return (policy.spec.get("selector") or {}).get("matchLabels") or {}


def _idle_selectors(mesh: Mesh) -> Iterator[Finding]:
    for kind in POLICIES:
        for policy in mesh.config.of(kind):
            labels = _labels_of(policy)
            if labels and not mesh.selected(policy.namespace, labels):
                message = f"selects no workload: {_written(labels)}"
                yield finding(
                    policy, ("spec", "selector", "matchLabels"), message, warning=True, id="IST0127"
                )
    for rule in mesh.config.of("DestinationRule"):
        labels = (rule.spec.get("workloadSelector") or {}).get("matchLabels") or {}
        if labels and not mesh.selected(rule.namespace, labels):
            message = f"selects no workload: {_written(labels)}"
            yield finding(
                rule, ("spec", "workloadSelector", "matchLabels"), message, warning=True, id="IST0127"
            )
    for gateway in mesh.config.of("Gateway"):
        labels = gateway.spec.get("selector") or {}
        if not any(pod.fits(labels) for pod in mesh.pods):
            message = f"selects no gateway: {_written(labels)}"
            yield finding(gateway, ("spec", "selector"), message, warning=True, id="IST0101")


def _written(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _idle_subsets(mesh: Mesh) -> Iterator[Finding]:
    for rule in mesh.config.of("DestinationRule"):
        host = full_host(rule.spec["host"], rule.namespace)
        service = mesh.services.get(host)
        if service is None:
            if "*" not in host and mesh.knows(host) is None:
                message = f'unknown host "{rule.spec["host"]}": {mesh.missing(host)}'
                yield finding(rule, ("spec", "host"), message, warning=True, id="IST0174")
            continue
        pods = mesh.pods_of(service)
        for index, subset in enumerate(rule.spec.get("subsets") or []):
            if not any(pod.fits(subset.get("labels") or {}) for pod in pods):
                message = f'no pod of {host} has the labels of subset "{subset["name"]}"'
                yield finding(rule, ("spec", "subsets", index, "labels"), message, warning=True, id="IST0173")


def _idle_services(mesh: Mesh) -> Iterator[Finding]:
    for service in mesh.services.values():
        selector = service.spec.get("selector")
        if selector and not mesh.pods_of(service):
            message = f"selects no workload: {_written(selector)}; requests are answered 503"
            yield finding(service, ("spec", "selector"), message, warning=True, id="DM0103")


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
                    id="IST0118",
                )
