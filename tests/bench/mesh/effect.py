"""Seconds from an edit to its effect at the last of all sidecars, while requests go through one of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mesh.local.runtime.client import Client
from tests.bench.mesh import manifests

EDITS = 100
REQUESTS_PER_S = 200
CALLERS = 20  # connections, each at its share of the rate
_PAUSE_S = 0.1  # between two edits, so that requests meet every state
_LOOK_S = 0.002  # between two looks at one sidecar: the resolution of what is measured
_WITHIN_S = 30.0


@dataclass
class Effects:
    """`effective` and `returned` are seconds of each edit: until every sidecar has it, until `apply` says so.

    `answers` counts the requests meanwhile by status; everything but 200 failed.
    """

    effective: list[float] = field(default_factory=list)
    returned: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.answers.total() - self.answers[200]


class Connection:
    """One kept-alive connection to a sidecar's egress."""

    def __init__(self, egress: str) -> None:
        host, _, port = egress.rpartition(":")
        self._address = (host, int(port))
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; 0 when the connection ended."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._get(path)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0, b""

    async def _get(self, path: str) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        target = f"http://{manifests.SERVICE}{path}"
        writer.write(f"GET {target} HTTP/1.1\r\nhost: {manifests.SERVICE}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
        return int(head.split(maxsplit=2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def measure(client: Client, egresses: Sequence[str], caller: str, edits: int = EDITS) -> Effects:
    """`egresses` are the sidecars that are looked at, `caller` the one that the requests go through."""
    found = Effects()
    await asyncio.to_thread(_apply, client, 0)
    async with asyncio.TaskGroup() as tasks:
        callers = [tasks.create_task(load(caller, found.answers)) for _ in range(CALLERS)]
        for number in range(1, edits + 1):
            began = time.perf_counter()
            waits = [asyncio.create_task(_seen(egress, str(number).encode())) for egress in egresses]
            await asyncio.to_thread(_apply, client, number)
            found.returned.append(time.perf_counter() - began)
            found.effective.append(max(await asyncio.gather(*waits)) - began)
            await asyncio.sleep(_PAUSE_S)
        for task in callers:
            task.cancel()
    return found


def _apply(client: Client, number: int) -> None:
    client.post("/apply", {"documents": [{"file": "edit.json", "text": manifests.edit(number)}]})


async def _seen(egress: str, generation: bytes) -> float:
    """When the sidecar first answers with the generation."""
    connection = Connection(egress)
    try:
        async with asyncio.timeout(_WITHIN_S):
            while (await connection.get(manifests.GENERATION))[1] != generation:  # noqa: ASYNC110 - it is far away
                await asyncio.sleep(_LOOK_S)
        return time.perf_counter()
    finally:
        connection.close()


async def load(egress: str, answers: Counter[int]) -> None:
    """A share of the requests, at a constant rate for as long as the answers come in time."""
    connection = Connection(egress)
    period = CALLERS / REQUESTS_PER_S
    due = time.perf_counter()
    try:
        while True:
            status, _ = await connection.get("/")
            answers[status] += 1
            due = max(due + period, time.perf_counter() - period)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    finally:
        connection.close()
