"""Findings about what the mesh tells of itself: providers that are not there, objects that nobody obeys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mesh.local.check.mesh import Mesh
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.envoy.telemetry import provider
from mesh.local.envoy.tracing import service_of
from mesh.local.model import ROOT_NAMESPACE, Finding, Json, Resource
from mesh.local.resources import finding

Path = tuple[str | int, ...]

# What a provider must be for a signal to go there.
KINDS: Mapping[str, Sequence[str]] = {
    "accessLogging": ("envoyFileAccessLog",),
    "metrics": ("prometheus",),
    "tracing": ("opentelemetry", "zipkin"),
}


def telemetry_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _hidden_objects(mesh)
    if not mesh.has_workloads:
        return
    yield from _idle_selectors(mesh)
    for resource in mesh.config.of("Telemetry"):
        for signal in KINDS:
            for index, entry in enumerate(resource.spec.get(signal) or []):
                for place, written in enumerate(entry.get("providers") or []):
                    path = ("spec", signal, index, "providers", place, "name")
                    yield from _unfit(mesh, resource, path, signal, written["name"])
    yield from _mesh_providers(mesh)


def _hidden_objects(mesh: Mesh) -> Iterator[Finding]:
    """Istio takes one object without a selector per namespace: the first by name."""
    first: dict[str, Resource] = {}
    for resource in mesh.config.of("Telemetry"):
        if not _labels_of(resource):
            taken = first.setdefault(resource.namespace, resource)
            if taken is not resource:
                message = f"is ignored: {taken} speaks for the whole namespace already"
                yield finding(resource, (), message, warning=True, id="IST0160")


def _idle_selectors(mesh: Mesh) -> Iterator[Finding]:
    for resource in mesh.config.of("Telemetry"):
        labels = _labels_of(resource)
        pods = (pod for pod in mesh.pods if pod.workload.namespace == resource.namespace)
        if labels and not any(pod.fits(labels) for pod in pods):
            written = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
            message = f"selects no workload of {resource.namespace}: {written}"
            yield finding(resource, ("spec", "selector", "matchLabels"), message, warning=True, id="IST0127")


def _labels_of(resource: Resource) -> Mapping[str, str]:
    return (resource.spec.get("selector") or {}).get("matchLabels") or {}


def _unfit(mesh: Mesh, resource: Resource, path: Path, signal: str, name: str) -> Iterator[Finding]:
    """Istio leaves out what it cannot use, and logs a line about it."""
    found = provider(mesh_config(mesh.config), name)
    if found is None:
        message = f'no provider "{name}" among MeshConfig\'s extensionProviders: nothing is sent'
        yield finding(resource, path, message, warning=True, id="DM0108")
    elif not any(kind in found for kind in KINDS[signal]):
        message = f'the provider "{name}" does not take {signal}; it needs to be {" or ".join(KINDS[signal])}'
        yield finding(resource, path, message, warning=True, id="DM0108")


def _mesh_providers(mesh: Mesh) -> Iterator[Finding]:
    resource = mesh.config.get("ConfigMap", ROOT_NAMESPACE, "istio")
    if resource is None:
        return
    raw = mesh_config(mesh.config).raw
    place: Path = ("data", "mesh")
    for signal in KINDS:
        for index, name in enumerate((raw.get("defaultProviders") or {}).get(signal) or []):
            yield from _unfit(mesh, resource, (*place, "defaultProviders", signal, index), signal, name)
    for index, found in enumerate(raw.get("extensionProviders") or []):
        yield from _unreachable(mesh, resource, (*place, "extensionProviders", index), found)


def _unreachable(mesh: Mesh, resource: Resource, path: Path, found: Json) -> Iterator[Finding]:
    for kind in KINDS["tracing"]:
        if kind in found:
            host, port = service_of(found), found[kind]["port"]
            service = mesh.services.get(host)
            numbers = [one["port"] for one in (service.spec.get("ports") or [])] if service else []
            if port not in numbers:
                message = f"no Service {host} with port {port}: no span is sent"
                yield finding(resource, (*path, kind, "service"), message, warning=True, id="DM0109")
