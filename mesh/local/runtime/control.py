"""The supervisor's end of the control socket: JSON over HTTP, for the user of the state folder alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh.local.model import Finding, InvalidConfig
from mesh.local.runtime import asked, explaining, held, rolling, rotating, views
from mesh.local.runtime.applied import Key
from mesh.local.runtime.errors import DeliveryFailed, MeshError, NotFound, NotReady, Unanswered
from mesh.local.runtime.topology import topology
from mesh.local.runtime.transaction import Outcome

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh


STATUS: dict[type[MeshError], int] = {NotFound: 404, NotReady: 409, DeliveryFailed: 502, Unanswered: 504}


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the mesh has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Control:
    """Serves the control API of one mesh."""

    def __init__(self, mesh: Mesh, path: Path) -> None:
        self._mesh = mesh
        self._path = path

    async def run(self) -> None:
        """Serve until cancelled."""
        listener = _listen(self._path)
        config = uvicorn.Config(
            self._app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True  # cancelled, it would leave its sockets open
            await serving
            listener.close()
            self._path.unlink(missing_ok=True)

    def _app(self) -> Starlette:
        get, post = ["GET"], ["POST"]
        return Starlette(
            routes=[
                Route("/status", _answering(self._status), methods=get),
                Route("/get/{what}", _answering(self._get), methods=get),
                Route("/topology", _answering(self._topology), methods=get),
                Route("/origins", _answering(self._origins), methods=get),
                Route("/explain", _answering(self._explain), methods=post),
                Route("/apply", _answering(self._apply), methods=post),
                Route("/delete", _answering(self._delete), methods=post),
                Route("/reset", _answering(self._reset), methods=post),
                Route("/rollout", _answering(self._rollout), methods=post),
                Route("/scale", _answering(self._scale), methods=post),
                Route("/restart", _answering(self._restart), methods=post),
                Route("/rotate", _answering(self._rotate), methods=post),
                Route("/stop", _answering(self._stop), methods=post),
            ]
        )

    async def _status(self, _: Request) -> Any:
        mesh = self._mesh
        jobs = [key for key, run in mesh.controller.jobs.items() if run.state == "Failed"]
        needed = [pod for pod in mesh.controller.pods.values() if not pod.manifest.optional]
        crashing = [text for pod in needed for text in rolling.crashes(pod)]
        return {
            "up": mesh.up.is_set(),
            "pid": os.getpid(),
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
        running = list(mesh.controller.pods.values())
        shown: dict[str, Callable[[], list[Any]]] = {
            "pods": lambda: views.pods(running, mesh.desired.registry()),
            "services": lambda: views.services(mesh.desired.registry()),
            "routes": lambda: views.routes(running),
            "clusters": lambda: views.clusters(running),
            "policies": lambda: views.policies(mesh.desired.config, running),
        }
        if what not in shown:
            raise NotFound(f"no such kind {what!r}; one of {', '.join(shown)}")
        return [item for item in shown[what]() if namespace in (None, item["namespace"])]

    def _demand_up(self) -> None:
        if not self._mesh.up.is_set():
            raise NotReady("the mesh is still starting: " + "; ".join(self._mesh.waiting_for()))

    async def _topology(self, _: Request) -> Any:
        self._demand_up()
        desired = self._mesh.desired
        return topology(self._mesh.controller.pods.values(), desired.config, desired.registry())

    async def _origins(self, request: Request) -> Any:
        query = request.query_params
        return explaining.written(self._mesh, query.get("pod", ""), query.get("namespace"))

    async def _explain(self, request: Request) -> Any:
        question = await asked.read(request, explaining.Question)
        return explaining.answer(self._mesh, question)

    async def _apply(self, request: Request) -> Any:
        spoken = await asked.resources_of(request)
        return self._told(await self._mesh.transactions.apply(spoken))

    async def _delete(self, request: Request) -> Any:
        return self._told(await self._mesh.transactions.delete(await asked.resources_of(request)))

    async def _reset(self, request: Request) -> Any:
        wanted = await asked.read(request, asked.Keys)
        return self._told(await self._mesh.transactions.reset(wanted.keys), wanted.keys)

    async def _rollout(self, request: Request) -> Any:
        wanted = await asked.read(request, asked.Keys)
        return {"ms": 1000 * await rolling.rolled_out(self._mesh, wanted.keys, wanted.within_s)}

    def _told(self, outcome: Outcome, keys: Sequence[Key] = ()) -> Any:
        """What a change did, and the Deployments among its objects whose pods are still to follow."""
        changed = {(change.kind, change.namespace, change.name) for change in outcome.changes}
        moving = rolling.unfinished(self._mesh, {key for key in {*changed, *keys} if key[0] == "Deployment"})
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
        mesh.overrides.scale(mesh.desired.config, target.namespace, target.name, target.replicas)
        return await self._rolled_out(target)

    async def _restart(self, request: Request) -> Any:
        target = await asked.read(request, asked.Target)
        mesh = self._mesh
        mesh.overrides.restart(mesh.desired.config, target.namespace, target.name)
        return await self._rolled_out(target)

    async def _rolled_out(self, target: asked.Target) -> Any:
        """Make the next moves, and wait until the Deployment is as it should be."""
        mesh = self._mesh
        mesh.controller.want(mesh.desired.config, mesh.overrides.entries)
        key = ("Deployment", target.namespace, target.name)
        return {"ms": 1000 * await rolling.rolled_out(mesh, [key], asked.ROLLED_OUT_WITHIN_S)}

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


def _answering(ask: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """The one place where errors become answers."""

    async def endpoint(request: Request) -> Response:
        try:
            return _json(200, await ask(request))
        except InvalidConfig as error:
            return _json(
                422, {"error": str(error), "findings": [_finding(found) for found in error.findings]}
            )
        except msgspec.DecodeError as error:
            return _json(400, {"error": str(error)})
        except MeshError as error:
            return _json(STATUS.get(type(error), 400), {"error": str(error)})

    return endpoint


def _json(status: int, body: Any) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _finding(found: Finding) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}
