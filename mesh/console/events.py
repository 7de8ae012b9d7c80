"""Server-sent events: one long answer per reader, bounded in number and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

# More tabs than anybody looks at.
MOST_STREAMS = 32
# The browser comes again by itself after each.
LIFE_S = 600.0
ALIVE_EVERY_S = 15.0


class Streams:
    """The streams of this process; `stop` ends them all, so that its end does not wait for them."""

    def __init__(self) -> None:
        self._open = 0
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    def response(self, _: Request, texts: AsyncIterator[str]) -> Response:
        """Each text as an event, which htmx swaps in."""
        if self._open >= MOST_STREAMS or self._stopped.is_set():
            return Response("Too many readers.\n", 503, headers={"retry-after": "10"})
        return StreamingResponse(self._events(texts), media_type="text/event-stream")

    async def _events(self, texts: AsyncIterator[str]) -> AsyncIterator[str]:
        self._open += 1
        ended = asyncio.ensure_future(self._stopped.wait())
        coming: asyncio.Future[str | None] = asyncio.ensure_future(_next(texts))
        deadline = asyncio.get_running_loop().time() + LIFE_S
        try:
            yield ": here\n\n"
            while asyncio.get_running_loop().time() < deadline:
                both: list[asyncio.Future[Any]] = [coming, ended]
                await asyncio.wait(both, timeout=ALIVE_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    return
                if not coming.done():
                    yield ": alive\n\n"
                    continue
                text = coming.result()
                if text is None:
                    return
                yield event(text)
                coming = asyncio.ensure_future(_next(texts))
        finally:
            self._open -= 1
            for task in (coming, ended):
                task.cancel()


async def _next(texts: AsyncIterator[str]) -> str | None:
    return await anext(texts, None)


def event(text: str) -> str:
    """One event of several lines."""
    return "".join(f"data: {line}\n" for line in text.splitlines()) + "\n"
