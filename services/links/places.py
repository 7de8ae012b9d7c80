"""Places for what is costly: so many at a time, of which one caller has a few, whatever it asks for.

A search may hold a connection to the database for seconds. Without a bound the searches of one caller would
hold all of them, and nobody could list or save a link.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.kit.errors import TooManyRequests

# The caller of what is asked for no user; ids of users begin at 1.
STRANGERS = 0
# A third of the requests that a replica runs at the same time may wait for a search, and not for long.
LINE = 32
PATIENCE_S = 1.0
RETRY_AFTER_S = 2.0


@dataclass
class _Own:
    places: asyncio.Semaphore
    present: int = 0


class Places:
    """`async with places.of(caller):` is one of `most` places, of which a caller has `each` at most.

    `line` may wait, a quarter of them of one caller, `patience_s` for one of its own and as long for one of
    all. The others get TooManyRequests, even where it is not they who are too many: at a 503 peers ask again
    at once, and the mesh takes a replica out that is sound. `what` names in the plural what has a place.
    """

    def __init__(
        self, what: str, *, most: int, each: int, line: int, patience_s: float, retry_after_s: float
    ) -> None:
        self._what = what
        self._most = most
        self._each = each
        self._line = line
        self._patience_s = patience_s
        self._retry_after_s = retry_after_s
        self._free = asyncio.Semaphore(most)
        self._present = 0
        self._own: dict[int, _Own] = {}

    @asynccontextmanager
    async def of(self, caller: int) -> AsyncIterator[None]:
        own = self._own.get(caller) or _Own(asyncio.Semaphore(self._each))
        if own.present >= self._each + self._line // 4:
            raise self._refusal("yours")
        if self._present >= self._most + self._line:
            raise self._refusal("others")
        self._own[caller] = own
        own.present += 1
        self._present += 1
        try:
            async with AsyncExitStack() as held:
                # One's own first: who waits for that stands in nobody's way.
                await self._enter(held, own.places, "yours")
                await self._enter(held, self._free, "others")
                yield
        finally:
            self._present -= 1
            own.present -= 1
            if own.present == 0:
                del self._own[caller]

    async def _enter(self, held: AsyncExitStack, places: asyncio.Semaphore, whose: str) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await held.enter_async_context(places)
        except TimeoutError as error:
            raise self._refusal(whose) from error

    def _refusal(self, whose: str) -> TooManyRequests:
        return TooManyRequests(
            f"{self._what} of {whose} are running, try again soon", retry_after_s=self._retry_after_s
        )


def places_of_searches(connections: int) -> Places:
    """For searches and numbered lists: less than half of the connections, and half of that for one caller."""
    most = max(1, connections * 2 // 5)
    return Places(
        "searches",
        most=most,
        each=max(1, most // 2),
        line=LINE,
        patience_s=PATIENCE_S,
        retry_after_s=RETRY_AFTER_S,
    )
