"""The supervisor's end of the control socket: JSON over HTTP, for the user of the state folder alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from mesh.local.runtime import (
    asked,
    explaining,
    held,
    looking,
    on_demand,
    rehearsing,
    rolling,
    rotating,
    versions,
    views,
    workload_views,
)
from mesh.local.runtime.answers import answering
from mesh.local.runtime.applied import Key
from mesh.local.runtime.errors import MeshError, NotFound, NotReady
from mesh.local.runtime.serving import serve
from mesh.local.runtime.topology import topology
from mesh.local.runtime.transaction import Outcome
from mesh.local.templates import LASTING

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh


WATCHED = (*LASTING, "Pod")  # their pods follow a change
Ask = Callable[[Request], Awaitable[Any]]


class Control:
    """Serves the control API of one mesh."""

    def __init__(self, mesh: Mesh, path: Path) -> None:
        self._mesh = mesh
        self._path = path

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await serve(self._app(), _listen(self._path))
        finally:
            self._path.unlink(missing_ok=True)

    def _app(self) -> Starlette:
        get, post = ["GET"], ["POST"]
        return Starlette(
            routes=[
                Route("/status", answering(self._status), methods=get),
                Route("/get/{what}", answering(self._get), methods=get),
                Route("/object", answering(self._object), methods=get),
                Route("/objects", answering(self._objects), methods=get),
                Route("/topology", answering(self._topology), methods=get),
                Route("/origins", answering(self._origins), methods=get),
                Route("/explain", answering(self._explain), methods=post),
                Route("/diff", answering(self._diff), methods=post),
                Route("/apply", answering(self._changing(self._apply)), methods=post),
                Route("/delete", answering(self._changing(self._delete)), methods=post),
                Route("/reset", answering(self._changing(self._reset)), methods=post),
                Route("/rollout", answering(self._rollout), methods=post),
                Route("/scale", answering(self._changing(self._scale)), methods=post),
                Route("/restart", answering(self._changing(self._restart)), methods=post),
                Route("/evict", answering(self._changing(self._evict)), methods=post),
                Route("/jobs", answering(self._changing(self._create_job)), methods=post),
                Route("/start", answering(self._start), methods=post),
                Route("/rotate", answering(self._rotate), methods=post),
                Route("/stop", answering(self._stop), methods=post),
            ]
        )

    def _changing(self, change: Ask) -> Ask:
        """Refused where somebody else says what is to be."""

        async def ask(request: Request) -> Any:
            if instead := self._mesh.declared.instead:
                raise MeshError(
                    f"this mesh is the node of a Kubernetes, which says what is to be: use {instead}"
                )
            return await change(request)

        return ask

    async def _status(self, _: Request) -> Any:
        mesh = self._mesh
        # What a CronJob's Jobs come to is no matter of a start, nor what a Job's pods do until it has failed.
        declared = {workload.key for workload in mesh.controller.wanted}
        runs = mesh.controller.jobs
        jobs = [key for key, run in runs.items() if run.state == "Failed" and key in declared]
        # Where a Kubernetes says what is to be, a pod that cannot run is its business, and no failed start.
        everything = mesh.controller.pods.values() if mesh.declared.makes_pods else ()
        made_by = {pod: ("Job", pod.manifest.namespace, pod.manifest.workload) for pod in everything}
        needed = [pod for pod, job in made_by.items() if not pod.manifest.optional and job not in runs]
        crashing = [text for pod in needed for text in rolling.crashes(pod)]
        return {
            "up": mesh.up.is_set(),
            "pid": os.getpid(),
            "controlPlane": mesh.desired.plane.name,
            "waitingFor": mesh.waiting_for(),
            "refused": mesh.refused,
            "held": held.told(mesh.held()),
            "failed": [f"job/{name} in {namespace}" for _, namespace, name in jobs],
            "crashing": crashing,
        }

    async def _get(self, request: Request) -> Any:
        mesh, what = self._mesh, request.path_params["what"]
        namespace = request.query_params.get("namespace")
        if what == "overrides":  # the reason, perhaps, why it does not come up
            return [views.override(one) for one in mesh.held() if namespace in (None, one.namespace)]
        self._demand_up()
        if what in ("listeners", "routes", "clusters"):
            await mesh.desired.look()
        running = list(mesh.controller.pods.values())
        shown: dict[str, Callable[[], list[Any]]] = {
            "pods": lambda: views.pods(running, mesh.desired.registry()),
            "services": lambda: views.services(mesh.desired.registry()),
            "listeners": lambda: looking.listeners(running),
            "routes": lambda: views.routes(running),
            "clusters": lambda: views.clusters(running),
            "policies": lambda: views.policies(mesh.desired.config, running),
            "workloads": lambda: workload_views.workloads(mesh),
            "jobs": lambda: workload_views.jobs(mesh),
            "cronjobs": lambda: workload_views.cronjobs(mesh),
            "hpa": lambda: workload_views.autoscalers(mesh),
        }
        if what in looking.ASKED:
            return await looking.ASKED[what](running, namespace, request.query_params.getlist("name"))
        if what not in shown:
            raise NotFound(f"no such kind {what!r}; one of {', '.join([*shown, *looking.ASKED])}")
        return [item for item in shown[what]() if namespace in (None, item["namespace"])]

    def _demand_up(self) -> None:
        if not self._mesh.up.is_set():
            raise NotReady("the mesh is still starting: " + "; ".join(self._mesh.waiting_for()))

    async def _object(self, request: Request) -> Any:
        self._demand_up()
        kind, namespace, name = (request.query_params.get(part, "") for part in ("kind", "namespace", "name"))
        return versions.found(self._mesh, (kind, namespace, name))

    async def _objects(self, request: Request) -> Any:
        self._demand_up()
        kind, namespace = (request.query_params.get(part, "") for part in ("kind", "namespace"))
        return versions.every(self._mesh, kind, namespace)

    async def _topology(self, _: Request) -> Any:
        self._demand_up()
        desired = self._mesh.desired
        await desired.look()
        return topology(self._mesh.controller.pods.values(), desired.config, desired.registry())

    async def _origins(self, request: Request) -> Any:
        query = request.query_params
        return explaining.written(self._mesh, query.get("pod", ""), query.get("namespace"))

    async def _explain(self, request: Request) -> Any:
        question = await asked.read(request, explaining.Question)
        return explaining.answer(self._mesh, question)

    async def _diff(self, request: Request) -> Any:
        self._demand_up()
        return await rehearsing.difference(self._mesh, await asked.resources_of(request))

    async def _apply(self, request: Request) -> Any:
        documents = await asked.read(request, asked.Documents)
        spoken, expected = versions.parted(asked.resources_in(documents))
        told = self._told(await self._mesh.transactions.apply(spoken, expected, documents.instead_of))
        return {**told, "written": versions.written(spoken, expected, self._mesh.overrides.entries)}

    async def _delete(self, request: Request) -> Any:
        return self._told(await self._mesh.transactions.delete(await asked.resources_of(request)))

    async def _reset(self, request: Request) -> Any:
        wanted = await asked.read(request, asked.Keys)
        return self._told(await self._mesh.transactions.reset(wanted.keys), wanted.keys)

    async def _rollout(self, request: Request) -> Any:
        wanted = await asked.read(request, asked.Keys)
        return {"ms": 1000 * await rolling.rolled_out(self._mesh, wanted.keys, wanted.within_s)}

    def _told(self, outcome: Outcome, keys: Sequence[Key] = ()) -> Any:
        """What a change did, and the workloads among its objects whose pods are still to follow."""
        changed = {(change.kind, change.namespace, change.name) for change in outcome.changes}
        moving = rolling.unfinished(self._mesh, {key for key in {*changed, *keys} if key[0] in WATCHED})
        return {
            "changes": [str(change) for change in outcome.changes],
            "warnings": list(outcome.warnings),
            "effectiveMs": outcome.effective_ms,
            "drainedMs": outcome.drained_ms,
            "heldOver": [
                f"{key[0].lower()}/{key[2]}" for key in sorted(changed) if self._is_over_a_file(key)
            ],
            "rollingOut": rolling.shown(self._mesh, moving),
        }

    def _is_over_a_file(self, key: Key) -> bool:
        word = self._mesh.transactions.words.get(key)
        return word is not None and word.over is not None

    async def _scale(self, request: Request) -> Any:
        target = await asked.read(request, asked.Target)
        mesh = self._mesh
        if target.replicas is None or not 0 <= target.replicas <= 1000:
            raise MeshError("replicas must be a number from 0 to 1000")
        key = (target.kind, target.namespace, target.name)
        mesh.overrides.scale(mesh.desired.config, key, target.replicas)
        return await self._rolled_out(target)

    async def _restart(self, request: Request) -> Any:
        target = await asked.read(request, asked.Target)
        mesh = self._mesh
        mesh.overrides.restart(mesh.desired.config, (target.kind, target.namespace, target.name))
        return await self._rolled_out(target)

    async def _rolled_out(self, target: asked.Target) -> Any:
        """Make the next moves, and wait, where that is wanted, until the workload is as it should be."""
        mesh = self._mesh
        mesh.controller.want(mesh.desired.config, mesh.overrides.entries)
        key = (target.kind, target.namespace, target.name)
        if not target.wait:
            return {"rollingOut": rolling.shown(mesh, rolling.unfinished(mesh, [key]))}
        return {"ms": 1000 * await rolling.rolled_out(mesh, [key], asked.ROLLED_OUT_WITHIN_S)}

    async def _evict(self, request: Request) -> Any:
        pod = await asked.read(request, asked.Pod)
        self._mesh.controller.replace(f"{pod.namespace}/{pod.name}")
        return {}

    async def _create_job(self, request: Request) -> Any:
        wanted = await asked.read(request, asked.JobFrom)
        self._mesh.controller.create_job(wanted.namespace, wanted.cronjob, wanted.name)
        return {}

    async def _start(self, request: Request) -> Any:
        wanted = await asked.read(request, asked.Process)
        return {"started": on_demand.named(self._mesh.companions, wanted.name).ask()}

    async def _rotate(self, _: Request) -> Any:
        began = time.monotonic()
        proxies = await rotating.rotate(list(self._mesh.controller.pods.values()))
        return {"proxies": proxies, "ms": 1000 * (time.monotonic() - began)}

    async def _stop(self, _: Request) -> Any:
        self._mesh.stop()
        return {}


def _listen(path: Path) -> socket.socket:
    """A socket that only this user can open; one left behind by a dead supervisor is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener
