"""Asks `mesh.local.explain` on behalf of a running mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mesh.local.envoy.view import View
from mesh.local.explain import explain
from mesh.local.explain.origins import origins
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.reference import chosen

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh
    from mesh.local.runtime.pod import Pod


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """What would become of a request from a Pod."""

    pod: str
    method: str
    url: str
    headers: list[tuple[str, str]] = []
    namespace: str | None = None


def answer(mesh: Mesh, question: Question) -> Any:
    """The explanation as plain data. Raises NotFound, MeshError."""
    pod = find(mesh, question.pod, question.namespace)
    if pod.sidecar is None:
        raise MeshError(f"{pod.manifest.key} has no sidecar: its requests go wherever they are addressed")
    desired = mesh.desired
    try:
        found = explain(
            pod.sidecar.proxy,
            desired.config,
            desired.registry(),
            desired.keys.texts,
            method=question.method,
            url=question.url,
            headers=dict(question.headers),
        )
    except ValueError as error:
        raise MeshError(f"{question.url} is no URL: {error}") from error
    return msgspec.to_builtins(found)


def written(mesh: Mesh, reference: str, namespace: str | None) -> Any:
    """Everything that a Pod's proxy has, with the lines it comes from. Raises NotFound, MeshError."""
    pod = find(mesh, reference, namespace)
    if pod.sidecar is None:
        raise MeshError(f"{pod.manifest.key} has no sidecar, and so no configuration")
    desired = mesh.desired
    view = View(pod.sidecar.proxy, desired.config, desired.registry(), desired.keys.texts)
    return msgspec.to_builtins(origins(view))


def find(mesh: Mesh, reference: str, namespace: str | None) -> Pod:
    """The running Pod that is meant; ready ones come first. Raises NotFound."""
    pods = {(pod.manifest.namespace, pod.manifest.name): pod for pod in mesh.controller.pods.values()}
    order = sorted(pods, key=lambda key: (not pods[key].ready, key))
    return pods[chosen(reference, namespace, order)]
