"""The floor of the store: the statements of list and save through asyncpg alone, without the service around.

The statements are those of the service: its store is asked once, by a database that only writes them down.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.links import domain
from services.links.domain import NewLink
from services.links.selection import Selection
from services.links.store import LinkStore
from tests.bench.cpu import Layer, Meter
from tests.bench.rounds import Idle, Slice

MAX_LINKS = 200_000
LIMIT = 20

Ask = Callable[[], Awaitable[Any]]


class _Written(Exception):
    """Ends a store's method once its statement is known."""


class _Writing:
    """A database that only writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: tuple[str, tuple[object, ...]] = ("", ())

    async def fetch(self, sql: str, *arguments: object) -> Any:
        self.asked = sql, arguments
        raise _Written

    fetchrow = fetch


async def statement_of(ask: Callable[[LinkStore], Awaitable[Any]]) -> tuple[str, tuple[object, ...]]:
    """The first statement of a method of the store, with its arguments."""
    writing: Any = _Writing()
    try:
        await ask(LinkStore(writing, max_links=MAX_LINKS))
    except _Written:
        return writing.asked  # type: ignore[no-any-return]
    raise AssertionError("the store asked for nothing")


@asynccontextmanager
async def statements(database: str, reader: int, saver: int) -> AsyncIterator[dict[str, Ask]]:
    """The operations as functions that run their statement over one connection."""
    connection = await asyncpg.connect(database)
    listing, of_reader = await statement_of(
        lambda store: store.page(reader, Selection(), "newest", None, LIMIT)
    )
    run, number = secrets.token_hex(4), 0
    first = domain.normalise(NewLink(url=f"https://example.org/{run}", title="Saved", tags=("bench",)))
    saving, of_saver = await statement_of(lambda store: store.save(saver, first))

    async def save() -> Any:
        nonlocal number
        number += 1
        owner, _, *rest = of_saver
        return await connection.fetchrow(saving, owner, f"https://example.org/{run}/{number}", *rest)

    try:
        yield {"list": lambda: connection.fetch(listing, *of_reader), "save": save}
    finally:
        await connection.close()


class Statement:
    """An operation's statement, as something to measure: CPU of the client apart from the server's."""

    def __init__(
        self, name: str, ask: Ask, postgres: Layer, *, seconds: float = math.inf, requests: float = math.inf
    ) -> None:
        self.name = name
        self._ask, self._postgres, self._seconds, self._requests = ask, postgres, seconds, requests

    async def slice(self, idle: Idle) -> Slice:
        meter, begun, begun_cpu = Meter([self._postgres]), time.perf_counter(), time.thread_time()
        times_ms: list[float] = []
        while time.perf_counter() - begun < self._seconds and len(times_ms) < self._requests:
            asked_at = time.perf_counter()
            await self._ask()
            times_ms.append((time.perf_counter() - asked_at) * 1000)
        client, took, count = time.thread_time() - begun_cpu, time.perf_counter() - begun, len(times_ms)
        server = idle.without(self._postgres, meter.used_s()[self._postgres.name], took)
        cpu = {"client": client * 1e6 / count, self._postgres.name: server * 1e6 / count}
        return Slice(cpu, count / took, tuple(times_ms))

    async def close(self) -> None:
        """Its connection is the measurement's."""
