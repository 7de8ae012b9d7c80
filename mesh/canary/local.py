"""The local mesh as the platform of a rollout: asked over its control socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

import aiohttp
import msgspec

from mesh.canary.platform import Away, Conflict, Json, NotFound, PlatformError, Pod, Stored
from mesh.local.runtime.state import State

T = TypeVar("T")

SHOWN_WITHIN_S = 5.0
DONE_WITHIN_S = 60.0  # a sidecar that hangs is replaced first, and another change may come before ours
DOCUMENT = "rollout"  # what the mesh calls the file of what is written here


class _Finding(msgspec.Struct):
    file: str


class _Failure(msgspec.Struct):
    error: str
    reason: str = ""
    findings: list[_Finding] = []


class _Object(msgspec.Struct, rename="camel"):
    object: Json
    resource_version: str


class _Applied(msgspec.Struct):
    written: list[_Object]


class _Container(msgspec.Struct):
    name: str
    reason: str
    ready: bool


class Running(msgspec.Struct, rename="camel"):
    """A pod as the mesh shows it; `admin` is host:port of its Envoy, None without one."""

    name: str
    namespace: str
    ip: str
    admin: str | None
    workload: str
    labels: dict[str, str]
    phase: str
    failure: str
    ready: bool
    ready_since: float | None
    restarts: int
    containers: list[_Container]


class LocalPlatform:
    """One namespace of the mesh that runs in a state folder."""

    def __init__(self, state: State, namespace: str) -> None:
        self._state = state
        self._namespace = namespace

    async def virtual_service(self, name: str) -> Stored:
        return await self._stored("VirtualService", name)

    async def write_virtual_service(self, body: Json, version: str) -> Stored:
        """Returns once every sidecar has it."""
        [written] = (await self._apply(_versioned(body, version))).written
        return _stored(written)

    async def deployments(self, labels: Mapping[str, str]) -> list[Stored]:
        """With the number of pods that each was scaled to."""
        which = {"kind": "Deployment", "namespace": self._namespace}
        found = [_stored(each) for each in await self._ask("GET", "/objects", list[_Object], **which)]
        return [each for each in found if labels.items() <= _pod_labels(each.body).items()]

    async def apply_deployment(self, body: Json) -> None:
        await self._apply(_versioned(body, None))

    async def scale(self, deployment: str, replicas: int) -> None:
        target = {"namespace": self._namespace, "name": deployment, "replicas": replicas, "wait": False}
        await self._ask("POST", "/scale", Json, target)

    async def pods(self, labels: Mapping[str, str]) -> list[Pod]:
        found = await self.running(namespace=self._namespace)
        return [
            Pod(each.name, each.workload, each.ready, each.ready_since, each.restarts, _trouble(each))
            for each in found
            if labels.items() <= each.labels.items()
        ]

    async def running(self, **which: str) -> list[Running]:
        """Every pod that is not ending, of one `namespace` or of all."""
        found = await self._ask("GET", "/get/pods", list[Running], **which)
        return [each for each in found if each.phase != "Terminating"]

    async def replace_pod(self, name: str) -> None:
        """It ends once the other is ready, if it is ready itself; else at once."""
        await self._ask("POST", "/evict", Json, {"namespace": self._namespace, "name": name})

    async def _stored(self, kind: str, name: str) -> Stored:
        which = {"kind": kind, "namespace": self._namespace, "name": name}
        return _stored(await self._ask("GET", "/object", _Object, **which))

    async def _apply(self, body: Json) -> _Applied:
        document = {"file": DOCUMENT, "text": json.dumps(body)}
        return await self._ask("POST", "/apply", _Applied, {"documents": [document]})

    async def _ask(
        self, method: str, path: str, shape: type[T], body: Json | None = None, /, **query: str
    ) -> T:
        """Raises Away, Conflict, PlatformError."""
        timeout = aiohttp.ClientTimeout(total=SHOWN_WITHIN_S if method == "GET" else DONE_WITHIN_S)
        connector = aiohttp.UnixConnector(str(self._state.socket))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.request(method, f"http://mesh{path}", params=query, json=body) as answer,
            ):
                status, text = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or "too slow"
            raise Away(f"the mesh in {self._state.folder} does not answer: {why}") from error
        try:
            if status == 200:
                return msgspec.json.decode(text, type=shape)
            failure = msgspec.json.decode(text, type=_Failure)
        except msgspec.MsgspecError as error:
            raise Away(f"the mesh in {self._state.folder} failed; its output says why") from error
        raise _error(failure)


def _error(failure: _Failure) -> PlatformError:
    if failure.reason in ("NotReady", "Unanswered"):
        return Away(failure.error)
    if failure.findings and all(found.file != DOCUMENT for found in failure.findings):
        return Away(f"the mesh takes nothing until its files are mended: {failure.error}")
    kinds = {"Conflict": Conflict, "NotFound": NotFound}
    return kinds.get(failure.reason, PlatformError)(failure.error)


def _stored(found: _Object) -> Stored:
    return Stored(_versioned(found.object, None), found.resource_version)


def _pod_labels(deployment: Json) -> Mapping[str, str]:
    labels: Mapping[str, str] = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return labels


def _versioned(body: Json, version: str | None) -> Json:
    """The object under the condition that it still has that version; None for no condition."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    if version is not None:
        metadata["resourceVersion"] = version
    return {**body, "metadata": metadata}


def _trouble(pod: Running) -> str:
    reasons = [f"{each.name}: {each.reason}" for each in pod.containers if each.reason and not each.ready]
    return "; ".join([*([pod.failure] if pod.failure else []), *reasons])
