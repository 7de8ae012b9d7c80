"""What is to be, from a Kubernetes API: every object that the mesh acts on, and the Pods of this node."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.operators import not_equal
from starlette.applications import Starlette
from starlette.routing import Route

from mesh.local.kubernetes import admission, logs, machine, plane, reading
from mesh.local.kubernetes.kinds import ACTED_ON, POD, SECRET, WEBHOOK, Kind
from mesh.local.kubernetes.plane import MESH, Plane
from mesh.local.kubernetes.pods import BoundPods
from mesh.local.kubernetes.preparing import apply, prepare
from mesh.local.kubernetes.reflector import UNANSWERED, Key, Reflector
from mesh.local.model import Json, Resource
from mesh.local.runtime.environment import NODE
from mesh.local.runtime.errors import NotReady
from mesh.local.runtime.running_pods import RunningPods
from mesh.local.runtime.serving import serve
from mesh.local.schema import judge

ANSWERS_WITHIN_S, AGAIN_AFTER_S = 60.0, 0.2  # it may be ready before its own kinds are
JUDGING_PORT = 9443
QUIET_S = 0.01  # what is written together, as by an apply of a folder, is read together
PATIENCE_S = 0.2
HELM = "helm.sh/release.v1"  # what Helm writes down for itself, a megabyte at times


@dataclass(frozen=True)
class Known:
    """One version of an object, what it says, and the resource it is; None when that is wrong by itself."""

    version: str
    said: Json
    resource: Resource | None


class Kubernetes:
    """The API of a control plane; `definitions` are files of kinds that it has to know.

    `pods` is the folder of the mesh's pods, whose logs it may ask for.

    An object that is wrong by itself is left out, and told: others must not wait for it.
    """

    makes_pods = False
    instead = "kubectl"

    def __init__(
        self, control: Plane, pods: Path, definitions: Sequence[Path], report: Callable[[str], None]
    ) -> None:
        self._plane, self._logs = control, pods
        self._definitions, self._report = definitions, report
        self._changed, self._first = asyncio.Event(), 0.0
        self._known: dict[str, Known] = {}  # by uid
        self._seen: dict[int, Resource] = {}
        self._reflectors: list[Reflector] = []

    def keeper(self, running: RunningPods, report: Callable[[str], None]) -> BoundPods:
        self._pods = BoundPods(running, report)
        return self._pods

    async def begin(self, own: Sequence[Resource]) -> None:
        """Raises NotReady when the API cannot be asked."""
        config = KubeConfig.from_file(self._plane.account(MESH)).get()
        self._client = AsyncClient(config, field_manager=MESH, trust_env=False)
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        while True:
            try:
                return await self._begin(own)
            except UNANSWERED as error:
                why = str(error) or type(error).__name__
                if not _is_passing(error) or time.monotonic() > deadline:
                    raise NotReady(f"the Kubernetes API cannot be asked: {why}") from error
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _begin(self, own: Sequence[Resource]) -> None:
        await prepare(self._client, self._definitions, own)
        self._reflectors = [self._reflector(kind) for kind in ACTED_ON]
        await asyncio.gather(*(one.list() for one in self._reflectors))
        fields = {"spec.nodeName": NODE}
        self._bound = Reflector(self._client, POD, self._note_pod, self._report, fields)
        await self._bound.list()
        await machine.register(self._client, self._plane.address)
        self._pods.bound = self._bound.objects
        url = f"https://{self._plane.address}:{JUDGING_PORT}"
        webhook = admission.configuration(url, self._plane.authority.ca)
        await apply(self._client, WEBHOOK, webhook)

    def _reflector(self, kind: Kind) -> Reflector:
        fields = {"type": not_equal(HELM)} if kind is SECRET else None
        return Reflector(self._client, kind, self._note, self._report, fields)

    def read(self) -> list[Resource]:
        """The very same object for what says the same: a server writes much that means nothing here."""
        known: dict[str, Known] = {}
        for reflector in self._reflectors:
            for body in reflector.objects.values():
                uid, version = body["metadata"]["uid"], body["metadata"]["resourceVersion"]
                before = self._known.get(uid)
                same = before is not None and before.version == version
                known[uid] = before if before and same else self._judged(body, version, before)
        self._known = known
        return [one.resource for one in known.values() if one.resource is not None]

    async def rounds(self) -> AsyncGenerator[float, None]:
        while True:
            await self._changed.wait()
            first = self._first
            while self._changed.is_set() and time.monotonic() - first < PATIENCE_S:
                self._changed.clear()
                await asyncio.sleep(QUIET_S)
            self._changed.clear()
            if self._differs():
                yield first

    async def run(self) -> None:
        """Follow what changes, say how the Pods are and that this node lives, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in (*self._reflectors, self._bound):
                tasks.create_task(reflector.follow())
            tasks.create_task(self._pods.tell(self._client))
            tasks.create_task(machine.keep(self._client, self._report))
            tasks.create_task(
                self._serve([logs.route(self._logs), *logs.refusals()], machine.PORT, ssl.CERT_REQUIRED)
            )
            tasks.create_task(self._serve([admission.route(self.read)], JUDGING_PORT, ssl.CERT_NONE))

    async def _serve(self, routes: Sequence[Route], port: int, asks: ssl.VerifyMode) -> None:
        """What the API server asks of this node; with CERT_REQUIRED nobody else may."""
        authority = self._plane.authority
        await serve(
            Starlette(routes=list(routes)),
            socket.create_server((self._plane.address, port)),
            ssl_certfile=authority.certificate(plane.NODE),
            ssl_keyfile=authority.key(plane.NODE),
            ssl_ca_certs=str(authority.ca),
            ssl_cert_reqs=asks,
        )

    def _differs(self) -> bool:
        """Whether anything that the mesh acts on is another than when this was asked before."""
        now = {id(one): one for one in self.read()}
        before, self._seen = self._seen, now
        return now.keys() != before.keys()

    def _judged(self, body: Json, version: str, before: Known | None) -> Known:
        found = reading.resource(body)
        if before is not None and before.said == found.body:
            return Known(version, found.body, before.resource)
        errors = [one for one in judge(found) if one.level == "error"]
        for error in errors:
            self._report(f"{error}\nit is left out")
        return Known(version, found.body, None if errors else found)

    def _note(self, _: Key) -> None:
        if not self._changed.is_set():
            self._first = time.monotonic()
        self._changed.set()

    def _note_pod(self, _: Key) -> None:
        self._pods.reconcile()


def _is_passing(error: Exception) -> bool:
    """The server has too much to do, or is not all there yet."""
    return isinstance(error, ApiError) and (error.status.code == 429 or (error.status.code or 0) >= 500)
