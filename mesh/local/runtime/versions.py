"""Objects as they are in force, each with a version: a write that names one is done only while it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mesh.local.model import Config, Json, Resource
from mesh.local.runtime.applied import Key, bare, digest
from mesh.local.runtime.errors import Conflict, NotFound
from mesh.local.runtime.held import Entries
from mesh.local.runtime.workload import replicas
from mesh.local.templates import SCALED

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh

VERSION_DIGITS = 16  # of a digest: two forms of one object never share them


def in_force(config: Config, entries: Entries, key: Key) -> Resource | None:
    """The object as it counts: a Deployment and its like with the number of pods that it was scaled to."""
    resource = config.get(*key)
    if resource is None or resource.kind not in SCALED:
        return resource
    spec = {**resource.spec, "replicas": replicas(resource, entries)}
    return replace(resource, body={**resource.body, "spec": spec})


def told(resource: Resource) -> Json:
    """The whole document with its `metadata.resourceVersion`, which also stands beside it."""
    version = _version(resource)
    metadata = {**resource.body["metadata"], "resourceVersion": version}
    return {"object": {**resource.body, "metadata": metadata}, "resourceVersion": version}


def found(mesh: Mesh, key: Key) -> Json:
    """The object in force as `told`. Raises NotFound."""
    resource = in_force(mesh.desired.config, mesh.overrides.entries, key)
    if resource is None:
        kind, namespace, name = key
        raise NotFound(
            f'{kind.lower()} "{name}" not found' + (f" in namespace {namespace}" if namespace else "")
        )
    return told(resource)


def every(mesh: Mesh, kind: str, namespace: str) -> list[Json]:
    """All objects of a kind in a namespace, each as `told`."""
    config, entries = mesh.desired.config, mesh.overrides.entries
    keys = [resource.key for resource in config.of(kind) if resource.namespace == namespace]
    return [told(each) for key in keys if (each := in_force(config, entries, key)) is not None]


def parted(spoken: Iterable[Resource]) -> tuple[list[Resource], dict[Key, str]]:
    """The objects without versions, and the version that is to be in force of each that names one."""
    objects = list(spoken)
    named = {each.key: each.body["metadata"].get("resourceVersion") for each in objects}
    return [bare(each) for each in objects], {key: str(version) for key, version in named.items() if version}


def written(spoken: Iterable[Resource], expected: Collection[Key], entries: Entries) -> list[Json]:
    """Those that named a version, as they are in force now, each as `told`."""
    config = Config(spoken)
    return [told(each) for key in expected if (each := in_force(config, entries, key)) is not None]


def judge(expected: Mapping[Key, str], config: Config, entries: Entries) -> None:
    """Raises Conflict when an object has not the version that is expected of it."""
    for key, version in expected.items():
        resource = in_force(config, entries, key)
        if resource is None or _version(resource) != version:
            kind, namespace, name = key
            what = "has been modified; please apply your changes to the latest version and try again"
            raise Conflict(
                f'operation cannot be fulfilled on {kind.lower()} "{name}"'
                + (f" in namespace {namespace}" if namespace else "")
                + f": the object {what if resource is not None else 'does not exist any more'}"
            )


def _version(resource: Resource) -> str:
    return str(digest(resource))[:VERSION_DIGITS]
