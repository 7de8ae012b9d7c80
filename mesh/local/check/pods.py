"""Findings about what Services and Pod templates promise each other: ports, service accounts."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local import templates
from mesh.local.check.mesh import INJECT, Mesh, PodTemplate
from mesh.local.model import Finding, Json, Resource
from mesh.local.resources import finding

DEFAULT_ACCOUNT = "default"  # every namespace has it
TEMPLATES = "inject.istio.io/templates"


def pod_findings(mesh: Mesh) -> Iterator[Finding]:
    for service in mesh.services.values():
        yield from _closed_ports(mesh, service, mesh.pods_of(service))
    for pod in mesh.pods:
        yield from _unknown_account(mesh, pod)
        yield from _injected_all_the_same(mesh, pod)


def _closed_ports(mesh: Mesh, service: Resource, pods: list[PodTemplate]) -> Iterator[Finding]:
    """Ports of a Service at which no container of its pods listens, as far as containers say so."""
    for index, port in enumerate(service.spec.get("ports") or [] if pods else []):
        target = port.get("targetPort") or port["port"]
        path = ("spec", "ports", index, "targetPort" if "targetPort" in port else "port")
        if isinstance(target, str):
            if not any(target in (entry.get("name") for entry in _ports(pod)) for pod in pods):
                message = f'no container of the selected pods has a port named "{target}": answered 503'
                yield finding(service, path, message, warning=True, id="DM0104")
        elif target not in _sidecar_ports(mesh, service) and not any(_takes(pod, target) for pod in pods):
            message = (
                f"no container of the selected pods declares the containerPort {target}: Kubernetes needs "
                "none, but on the laptop a sidecar takes declared ports only, so requests are answered 503"
            )
            yield finding(service, path, message, warning=True, id="DM0104")


def _sidecar_ports(mesh: Mesh, service: Resource) -> set[int]:
    """Ports that a Sidecar of the namespace opens by itself."""
    return {
        listener["port"]["number"]
        for sidecar in mesh.config.of("Sidecar")
        if sidecar.namespace == service.namespace
        for listener in sidecar.spec.get("ingress") or []
    }


def _takes(pod: PodTemplate, number: int) -> bool:
    """Whether somebody may listen there: a gateway does where Gateways say, a naked pod where it likes."""
    notes = {**_metadata(pod, "annotations"), **_metadata(pod, "labels")}
    free = TEMPLATES in notes or str(notes.get(INJECT)).lower() == "false"
    return free or number in (entry["containerPort"] for entry in _ports(pod))


def _metadata(pod: PodTemplate, word: str) -> Json:
    return (pod.template.get("metadata") or {}).get(word) or {}


def _ports(pod: PodTemplate) -> Iterator[Json]:
    for container in pod.template["spec"]["containers"]:
        yield from container.get("ports") or []


def _unknown_account(mesh: Mesh, pod: PodTemplate) -> Iterator[Finding]:
    name = pod.account
    if mesh.config.get("ServiceAccount", pod.workload.namespace, name) is None and name != DEFAULT_ACCOUNT:
        message = f"no ServiceAccount {pod.workload.namespace}/{name}: Kubernetes makes no pod without it"
        path = (*templates.path(pod.workload), "spec", "serviceAccountName")
        yield finding(pod.workload, path, message, warning=True, id="DM0105")


def _injected_all_the_same(mesh: Mesh, pod: PodTemplate) -> Iterator[Finding]:
    """A sidecar that Istio would not give; the label of the namespace is not looked at here."""
    namespace = mesh.config.get("Namespace", "", pod.workload.namespace)
    notes = {**_metadata(pod, "annotations"), **_metadata(pod, "labels")}
    outside = namespace is not None and namespace.labels.get("istio-injection") == "disabled"
    if outside and INJECT not in notes and TEMPLATES not in notes:
        message = f'has a sidecar, though its namespace says otherwise: label the pods {INJECT}: "false"'
        yield finding(pod.workload, templates.path(pod.workload), message, warning=True, id="DM0117")
