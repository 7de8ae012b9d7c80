"""Which Deployments are not yet as they are declared: waits for them, says why one does not come."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from mesh.local.model import Json
from mesh.local.runtime.applied import Key
from mesh.local.runtime.container import Container
from mesh.local.runtime.errors import NotFound, NotReady
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.workload import Workload

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh

CRASHES = 3  # of one container before it is called crashing
POLL_S = 0.02


def unfinished(mesh: Mesh, keys: Collection[Key]) -> list[Workload]:
    """Those of these Deployments whose pods are still to come, to be replaced or to go."""
    return [
        workload for workload in mesh.controller.wanted if workload.key in keys and _moves(mesh, workload)
    ]


def shown(mesh: Mesh, workloads: Collection[Workload]) -> list[Json]:
    """For people: each Deployment with the pods that are concerned."""
    return [
        {
            "kind": workload.resource.kind,
            "namespace": workload.resource.namespace,
            "name": workload.resource.name,
            "pods": [
                pod.manifest.name for pod in mesh.controller.of(workload) if not _settled(pod, workload)
            ],
        }
        for workload in workloads
    ]


async def rolled_out(mesh: Mesh, keys: Collection[Key], within_s: float) -> float:
    """Wait for these Deployments; returns the seconds it took.

    Raises:
        NotFound: one is not declared any more.
        NotReady: a container keeps crashing, or it took longer; the text says which and why.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while rest := _declared(mesh, keys):
        rest = [workload for workload in rest if _moves(mesh, workload)]
        if not rest:
            await mesh.desired.everywhere()
            break
        for workload in rest:
            if reasons := [text for pod in _new(mesh, workload) for text in crashes(pod)]:
                raise NotReady(f"{_place(workload)} does not come up{_older(mesh, workload)}: {reasons[0]}")
        if loop.time() - began > within_s:
            names = [f"{_place(workload)}{_older(mesh, workload)}" for workload in rest]
            why = "; ".join(mesh.waiting_for(everything=True)) or "older pods are still ending"
            raise NotReady(f"not rolled out after {within_s:g} s: {', '.join(names)}; {why}")
        await asyncio.sleep(POLL_S)
    return loop.time() - began


def crashes(pod: Pod) -> Iterator[str]:
    """What keeps crashing in a pod, each with the last lines that it wrote."""
    if pod.stopping:
        return
    for container in pod.every_container():
        if _is_crashing(container) or container.lost:
            lines = "".join(f"\n    {line}" for line in container.last_words)
            yield f"pod {pod.manifest.key}: {container.definition.name}: {container.reason}{lines}"
    if pod.phase == "Failed" and not any(container.restarts for container in pod.every_container()):
        yield f"pod {pod.manifest.key}: {pod.failure or 'failed'}"


def _is_crashing(container: Container) -> bool:
    return container.restarts >= CRASHES and not (container.ready and container.state == "Running")


def _declared(mesh: Mesh, keys: Collection[Key]) -> list[Workload]:
    found = {workload.key: workload for workload in mesh.controller.wanted}
    for kind, namespace, name in (key for key in keys if key not in found):
        raise NotFound(f"{kind.lower()} {name} in {namespace} was deleted meanwhile")
    return [found[key] for key in keys]


def _moves(mesh: Mesh, workload: Workload) -> bool:
    controller = mesh.controller
    return not controller.done(workload) or len(controller.of(workload)) != workload.replicas


def _new(mesh: Mesh, workload: Workload) -> list[Pod]:
    return [pod for pod in mesh.controller.of(workload) if pod.manifest.hash == workload.hash]


def _settled(pod: Pod, workload: Workload) -> bool:
    return pod.ready and pod.manifest.hash == workload.hash


def _older(mesh: Mesh, workload: Workload) -> str:
    old = [pod for pod in mesh.controller.of(workload) if pod.ready and pod.manifest.hash != workload.hash]
    return " (its older pods go on)" if old else ""


def _place(workload: Workload) -> str:
    return f"{workload.reference} in {workload.resource.namespace}"
