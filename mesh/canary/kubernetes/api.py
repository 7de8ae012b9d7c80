"""The API server, asked for objects of one namespace: each call within a time, each failure a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.types import PatchType

from mesh.canary.kubernetes.kinds import Kind, told
from mesh.canary.platform import Away, Conflict, Json, NotFound, PlatformError

MANAGER = "delinkcious-canary"  # whose writes are told apart by the server
WITHIN_S = 10.0


class Unacceptable(PlatformError):
    """The server understands what is asked, and refuses it."""


class Api:
    """One namespace. Raises Away, Conflict, NotFound, Unacceptable; PlatformError for what is forbidden."""

    def __init__(self, client: AsyncClient, namespace: str) -> None:
        self._client: Any = client  # its overloads do not take a kind that is a variable
        self.config = client.config
        self.namespace = namespace

    async def get(self, kind: Kind, name: str) -> Json:
        async with self._asked("get", kind, name):
            return dict(await self._client.get(kind, name, namespace=self.namespace))

    async def all(self, kind: Kind, labels: Mapping[str, str] | None = None) -> list[Json]:
        async with self._asked("list", kind):
            found = self._client.list(kind, namespace=self.namespace, labels=labels)
            return [dict(one) async for one in found]

    async def create(self, kind: Kind, body: Json, name: str | None = None) -> Json:
        """`name` is that of the object whose subresource is created."""
        async with self._asked("create", kind, name or body["metadata"]["name"]):
            made = _made(kind, body)
            part = {} if name is None else {"name": name}
            return dict(await self._client.create(made, namespace=self.namespace, **part))

    async def replace(self, kind: Kind, body: Json) -> Json:
        """If it still has the version that stands in `body`."""
        async with self._asked("update", kind, body["metadata"]["name"]):
            made = _made(kind, body)
            return dict(await self._client.replace(made, namespace=self.namespace))

    async def patch(self, kind: Kind, name: str, operations: list[Json]) -> Json:
        """A JSON patch: all of its operations or none."""
        return await self._patch(kind, name, operations, PatchType.JSON)

    async def merge(self, kind: Kind, name: str, body: Json) -> Json:
        """These fields; None takes one away."""
        return await self._patch(kind, name, body, PatchType.MERGE)

    async def apply(self, kind: Kind, body: Json) -> Json:
        """Server-side apply; fields of others that differ are taken over."""
        return await self._patch(kind, body["metadata"]["name"], body, PatchType.APPLY, force=True)

    async def _patch(self, kind: Kind, name: str, what: Any, how: PatchType, *, force: bool = False) -> Json:
        async with self._asked("patch", kind, name):
            return dict(
                await self._client.patch(
                    kind,
                    name,
                    what,
                    namespace=self.namespace,
                    patch_type=how,
                    field_manager=MANAGER,
                    force=force,
                )
            )

    @asynccontextmanager
    async def _asked(self, verb: str, kind: Kind, name: str = "") -> AsyncIterator[None]:
        what = f"{told(kind)} {name}".rstrip()
        try:
            async with asyncio.timeout(WITHIN_S):
                yield
        except httpx2.HTTPStatusError as error:
            raise self._refused(error, verb, kind, what) from error
        # TimeoutError is an OSError; the client looks for a Content-Type that a broken proxy does not send.
        except (httpx2.HTTPError, OSError, msgspec.MsgspecError, KeyError) as error:
            why = str(error) or type(error).__name__
            raise Away(f"the Kubernetes API does not answer ({verb} {what}): {why}") from error
        except ConfigError as error:
            raise PlatformError(f"the Kubernetes API cannot be asked: {error}") from error

    def _refused(self, error: httpx2.HTTPStatusError, verb: str, kind: Kind, what: str) -> PlatformError:
        code = error.response.status_code
        said = str(error.status.message or "") if isinstance(error, ApiError) else f"it answered {code}"
        if code == 429 or code >= 500:
            return Away(f"the Kubernetes API cannot do it now ({verb} {what}): {said}")
        if code == 403:
            return PlatformError(
                f"the Kubernetes API forbids to {verb} {told(kind)} in namespace {self.namespace}: {said}"
            )
        if code == 404:
            return NotFound(f"there is no {what} in namespace {self.namespace}: {said}")
        if code == 409:
            return Conflict(f"{what} was changed by somebody else: {said}")
        return Unacceptable(f"the Kubernetes API refuses to {verb} {what}: {said}")


def _made(kind: Any, body: Json) -> Any:
    return kind(body)
