"""Load shedding: so many requests at a time, a short queue, and 503 for the rest before latency collapses."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from prometheus_client import Counter

from services.kit.errors import Unavailable

RETRY_AFTER_S = 1.0


class Admission:
    """`async with admission:` holds one of `capacity` places; raises Unavailable rather than wait long."""

    def __init__(self, *, capacity: int, queue: int, timeout_s: float, shed: Counter) -> None:
        self._capacity = self._free = capacity
        self._queue = queue
        self._timeout_s = timeout_s
        self._shed = shed
        self._waiting: deque[asyncio.Future[None]] = deque()

    def resize(self, *, capacity: int, queue: int, timeout_s: float) -> None:
        """Other limits from now on; whoever is in stays, also above the new capacity."""
        self._free += capacity - self._capacity
        self._capacity, self._queue, self._timeout_s = capacity, queue, timeout_s
        self._hand_over()

    async def __aenter__(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if len(self._waiting) >= self._queue:
            self._refuse()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._timeout_s):
                await place
        except BaseException as error:
            self._give_up(place)
            if isinstance(error, TimeoutError):
                self._refuse()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        self._free += 1
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and self._free > 0:
            place = self._waiting.popleft()
            if not place.done():
                self._free -= 1
                place.set_result(None)

    def _give_up(self, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            # It was handed over in the same moment; whoever is next gets it.
            self._release()
        else:
            # Out of the queue at once, or those who gave up would count as waiting.
            place.cancel()
            if place in self._waiting:
                self._waiting.remove(place)

    def _refuse(self) -> None:
        self._shed.inc()
        raise Unavailable("too many requests at this moment", retry_after_s=RETRY_AFTER_S)
