"""The mesh's control API, read without waiting for it: what runs, what it is configured with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

from mesh.console.errors import Away, NotThere
from mesh.console.topology.state import Topology
from mesh.local.explain.origins import Origins

TIMEOUT = aiohttp.ClientTimeout(total=5)
T = TypeVar("T")


class _Failure(msgspec.Struct):
    error: str


class Control:
    """Asks the supervisor of one state folder. Raises Away with a sentence when it cannot tell."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def topology(self) -> Topology:
        return await self._ask("/topology", Topology)

    async def origins(self, pod: str, namespace: str) -> Origins:
        """Raises NotThere for a pod that is unknown or has no proxy."""
        return await self._ask("/origins", Origins, pod=pod, namespace=namespace)

    async def pods(self, namespace: str) -> list[dict[str, Any]]:
        return await self._ask("/get/pods", list[dict[str, Any]], namespace=namespace)

    async def _ask(self, path: str, kind: type[T], **query: str) -> T:
        try:
            async with self._session.get(f"http://mesh{path}", params=query, timeout=TIMEOUT) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away("The mesh does not answer: it has ended, or hangs.") from error
        try:
            if answer.status == 200:
                return msgspec.json.decode(body, type=kind)
            told = msgspec.json.decode(body, type=_Failure).error
        except msgspec.MsgspecError as error:
            raise Away("The mesh is of another version than this page.") from error
        if answer.status in (400, 404):
            raise NotThere(told)
        raise Away(f"{told[:1].upper()}{told[1:]}")


@asynccontextmanager
async def open_control(socket: Path) -> AsyncIterator[Control]:
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        yield Control(session)
