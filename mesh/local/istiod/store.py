"""What the API server holds of the mesh: differences are written, and istiod has read them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from mesh.local.istiod import filters, judging, kinds, mesh_settings, objects, services
from mesh.local.istiod.api import Api, ApiRefused
from mesh.local.istiod.kinds import ISTIO, Key
from mesh.local.model import Config, InvalidConfig, Json, Resource
from mesh.local.runtime.errors import DeliveryFailed, Unanswered

T = TypeVar("T")
SEEN_WITHIN_S = 10.0
POLL_S = 0.002
ENTRY = "ServiceEntry"
NAMESPACE = "Namespace"  # the others stand in them, and are not even judged without; they stay


class Seen(msgspec.Struct):
    """One object as istiod knows it."""

    kind: str
    metadata: Metadata


class Metadata(msgspec.Struct):
    name: str
    namespace: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="0")


class Store:
    """Writes to one API server; nobody else does. `generation` counts what was written."""

    def __init__(self, api: Api, session: aiohttp.ClientSession, istiod: str) -> None:
        self._api, self._session, self._istiod = api, session, istiod
        self._held: dict[Key, Json] = {}
        self._versions: dict[Key, int] = {}
        self.generation = 0

    async def judge(self, config: Config) -> None:
        """Ask who takes it about each object that has changed. Raises InvalidConfig, Unanswered."""
        await self._have_namespaces(objects.namespaces(config))
        changed = [one for one in config if kinds.is_istio(one) and self._differs(one)]
        answers = await asyncio.gather(*(self._tried(one) for one in changed))
        refused = [
            found
            for one, said in zip(changed, answers, strict=True)
            if said is not None
            for found in judging.refusals(one, said)
        ]
        if refused:
            raise InvalidConfig(refused)

    async def hold(self, wanted: Iterable[Json]) -> int:
        """Hold just these; returns their generation, which istiod knows from now on. Raises MeshError."""
        bodies = {kinds.key(body): body for body in wanted}
        changed = [body for key, body in bodies.items() if self._held.get(key) != body]
        gone = [body for key, body in self._held.items() if key not in bodies and body["kind"] != NAMESPACE]
        if not changed and not gone and self.generation:
            return self.generation
        await self._have_namespaces(changed)
        for body in filter(mesh_settings.is_settings, changed):
            await self._put(body)
            await self._settings_read(mesh_settings.mark(body))
        await asyncio.gather(
            *(self._put(body) for body in changed if self._held.get(kinds.key(body)) != body),
            *(self._take_away(body) for body in gone),
        )
        await self._seen_by_istiod()
        self.generation += 1
        spaces = {body["metadata"]["namespace"] for body in (*changed, *gone) if body["kind"] == ENTRY}
        if spaces:
            await asyncio.gather(*(self._mark(services.mark(space, self.generation)) for space in spaces))
            await self._seen_by_istiod()
        await self._mark(filters.generation(self.generation))
        return self.generation

    def _differs(self, resource: Resource) -> bool:
        return self._held.get(resource.key) != kinds.written(resource)

    async def _tried(self, resource: Resource) -> str | None:
        """Why it would be refused."""
        try:
            await self._api.put(kinds.written(resource), tried=True)
        except ApiRefused as error:
            return str(error)
        return None

    async def _have_namespaces(self, bodies: Iterable[Json]) -> None:
        missing = [
            body for body in bodies if body["kind"] == NAMESPACE and self._held.get(kinds.key(body)) != body
        ]
        await asyncio.gather(*(self._put(body) for body in missing))

    async def _put(self, body: Json) -> None:
        key = kinds.key(body)
        written = await self._api.put(body)
        self._held[key] = body
        if body["apiVersion"].partition("/")[0] in ISTIO:
            self._versions[key] = int(written["metadata"]["resourceVersion"])

    async def _mark(self, body: Json) -> None:
        """Write what is the store's own, and stays."""
        await self._put(body)
        self._held.pop(kinds.key(body))

    async def _take_away(self, body: Json) -> None:
        key = kinds.key(body)
        await self._api.take_away(body)
        self._held.pop(key, None)
        self._versions.pop(key, None)

    async def _settings_read(self, mark: str) -> None:
        """Wait until istiod has read a MeshConfig: it decides what all the rest means."""
        async with self._in_time():
            while mesh_settings.shown(await self._told("mesh", dict[str, Any])) != mark:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def _seen_by_istiod(self) -> None:
        """Wait until istiod has read all of it: what it sends after that is made of it."""
        async with self._in_time():
            while self._missing(await self._seen()):  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_S)

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(SEEN_WITHIN_S):
                yield
        except TimeoutError as error:
            raise DeliveryFailed(f"istiod has not read all of it within {SEEN_WITHIN_S:g} s") from error

    def _missing(self, seen: Mapping[Key, int]) -> bool:
        """Whether it knows something that is gone, or not yet something; it writes the status of some."""
        if any(key not in self._versions for key in seen):
            return True
        return any(seen.get(key, 0) < version for key, version in self._versions.items())

    async def _seen(self) -> dict[Key, int]:
        """The version of every object that istiod knows."""
        return {
            (one.kind, one.metadata.namespace, one.metadata.name): int(one.metadata.resource_version)
            for one in await self._told("configz", list[Seen])
        }

    async def _told(self, page: str, kind: type[T]) -> T:
        """What istiod tells of itself."""
        try:
            async with self._session.get(f"{self._istiod}/debug/{page}") as answer:
                return msgspec.json.decode(await answer.read(), type=kind)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise Unanswered(f"istiod does not say what it knows: {error!r}") from error
