"""One connection at a time to each host, and a pause between two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.link_checker.fetching.errors import Busy

# Longer than this it is better to come back later.
PATIENCE_S = 10.0
AGAIN_S = 60.0
# Hosts whose pause is over are forgotten when there are more.
REMEMBERED = 1_000


@dataclass
class _Host:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    free_at: float = 0.0


class Turns:
    """Within this process; between processes the leases of the store do the same."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def take(self, host: str, pause_s: float) -> AsyncIterator[None]:
        """The host's turn, not sooner than `pause_s` after the last one. Raises Busy."""
        now = asyncio.get_running_loop().time
        self._forget(now())
        state = self._hosts.setdefault(host, _Host())
        state.waiting += 1
        try:
            try:
                async with asyncio.timeout(self._patience_s):
                    await state.lock.acquire()
            except TimeoutError as error:
                raise Busy(host, AGAIN_S) from error
            try:
                pause = state.free_at - now()
                if pause > self._patience_s:
                    raise Busy(host, AGAIN_S)
                if pause > 0:
                    await asyncio.sleep(pause)
                yield
            finally:
                state.free_at = max(state.free_at, now() + pause_s)
                state.lock.release()
        finally:
            state.waiting -= 1

    def _forget(self, now: float) -> None:
        if len(self._hosts) > REMEMBERED:
            self._hosts = {
                name: host for name, host in self._hosts.items() if host.waiting or host.free_at > now
            }
