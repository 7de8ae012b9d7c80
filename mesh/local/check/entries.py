"""Findings about hosts and who asks for them: hidden entries, selectors that pick nobody, Sidecars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mesh.local.check.mesh import Mesh
from mesh.local.envoy.egress_hosts import EgressHosts
from mesh.local.model import Finding, Resource
from mesh.local.registry.entries import entry_services
from mesh.local.registry.merging import alike
from mesh.local.resources import finding


def entry_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _same_hosts(mesh)
    yield from _several_sidecars(mesh)
    if not mesh.has_workloads:
        return
    for entry in mesh.config.of("ServiceEntry"):
        labels = (entry.spec.get("workloadSelector") or {}).get("labels") or {}
        if labels and not _picked(mesh, entry, labels):
            message = f"selects no workload: {_written(labels)}; requests are answered 503"
            yield finding(entry, ("spec", "workloadSelector", "labels"), message, warning=True, id="IST0127")
    for sidecar in mesh.config.of("Sidecar"):
        labels = (sidecar.spec.get("workloadSelector") or {}).get("labels") or {}
        if labels and not mesh.selected(sidecar.namespace, labels):
            message = f"selects no workload: {_written(labels)}"
            yield finding(
                sidecar, ("spec", "workloadSelector", "labels"), message, warning=True, id="IST0127"
            )
        yield from _nobodys_hosts(mesh, sidecar)
    yield from _untranslated_ports(mesh)


def _written(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _picked(mesh: Mesh, entry: Resource, labels: Mapping[str, str]) -> bool:
    """Whether a pod or a WorkloadEntry of the namespace has the labels."""
    if any(pod.workload.namespace == entry.namespace for pod in mesh.selected(entry.namespace, labels)):
        return True
    return any(
        labels.items() <= {**(one.spec.get("labels") or {}), **one.labels}.items()
        for one in mesh.config.of("WorkloadEntry")
        if one.namespace == entry.namespace
    )


def _same_hosts(mesh: Mesh) -> Iterator[Finding]:
    """Of entries with one host in a namespace that do not go together the first counts; a Service first."""
    first: dict[tuple[str, str], Resource] = {}
    for entry in mesh.config.of("ServiceEntry"):
        for index, written in enumerate(entry.spec.get("hosts") or []):
            host = written.lower()
            before = mesh.services.get(host) or first.setdefault((entry.namespace, host), entry)
            if before is not entry and not _merges(before, entry):
                message = f"{before} has the host {host} too and comes first: this one is not used for it"
                yield finding(entry, ("spec", "hosts", index), message, warning=True, id="DM0114")


def _merges(first: Resource, entry: Resource) -> bool:
    """Whether a second entry adds its ports and endpoints to the first's."""
    if first.kind != entry.kind:
        return False
    one, other = entry_services(first), entry_services(entry)
    return alike((first, one[0]), (entry, other[0]))


def _several_sidecars(mesh: Mesh) -> Iterator[Finding]:
    first: dict[str, Resource] = {}
    for sidecar in mesh.config.of("Sidecar"):
        if not (sidecar.spec.get("workloadSelector") or {}).get("labels"):
            before = first.setdefault(sidecar.namespace, sidecar)
            if before is not sidecar:
                message = f"{before} is for the whole namespace too and comes first: this one is not used"
                yield finding(sidecar, (), message, warning=True, id="IST0111")


def _nobodys_hosts(mesh: Mesh, sidecar: Resource) -> Iterator[Finding]:
    for index, listener in enumerate(sidecar.spec.get("egress") or []):
        for number, written in enumerate(listener.get("hosts") or []):
            if "*" in written.partition("/")[2] or written.startswith("~"):
                continue
            asked = EgressHosts([written], sidecar.namespace)
            hosts = mesh.hosts.items()
            if not any(asked.takes_service(service.namespace, host) for host, service in hosts):
                path = ("spec", "egress", index, "hosts", number)
                yield finding(
                    sidecar, path, f'"{written}" is the host of no service there', warning=True, id="IST0101"
                )


def _untranslated_ports(mesh: Mesh) -> Iterator[Finding]:
    """Ports of headless Services whose clients come to another port on Kubernetes."""
    for resource in mesh.services.values():
        if resource.spec.get("clusterIP") != "None":
            continue
        for index, port in enumerate(resource.spec.get("ports") or []):
            target = port.get("targetPort", port["port"])
            if isinstance(target, int) and target != port["port"]:
                message = (
                    f"is {target}, but on Kubernetes the clients of a headless Service come to the pod's "
                    f"port {port['port']}; on the laptop they are led to the targetPort"
                )
                path = ("spec", "ports", index, "targetPort")
                yield finding(resource, path, message, warning=True, id="DM0115")
