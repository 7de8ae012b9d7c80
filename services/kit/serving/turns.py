"""The writes of one caller, one after another.

The database would let them wait for each other anyway, on its row locks, each with a connection in its hands:
a dozen slow ones of a single caller would leave none for anybody else. Here they wait without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.errors import TooManyRequests

RETRY_AFTER_S = 1.0


class _Line:
    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Turns:
    """`async with turns.of(caller):` is one caller's turn; raises TooManyRequests when `most` are in line."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        self._lines: dict[int, _Line] = {}

    @asynccontextmanager
    async def of(self, caller: int) -> AsyncIterator[None]:
        line = self._lines.setdefault(caller, _Line())
        if line.waiting >= self.most:
            raise TooManyRequests("too many changes of yours at the same time", retry_after_s=RETRY_AFTER_S)
        line.waiting += 1
        try:
            async with line.lock:
                yield
        finally:
            line.waiting -= 1
            if line.waiting == 0:
                del self._lines[caller]
