"""Server-sent events: one long answer per reader, bounded in number, with a sign of life now and then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.kit.background import end
from services.kit.errors import Problem, TooManyRequests, Unavailable
from services.kit.serving.operation import Running

Events = AsyncGenerator[bytes, None]
# Raises a Problem when the reader may read no more.
MayRead = Callable[[], Awaitable[object]]

# Proxies end what is silent; this is well below what any of them waits for.
ALIVE_EVERY_S = 15.0
# A reader who takes none of it for as long is gone.
SEND_S = 30.0
# One reader's tabs: more than anybody looks at.
EACH = 12
# An access token lasts ten minutes: the reader comes again with another.
LIFE_S = 540.0
RETRY_MS = 3_000
# How soon a stream ends when the process is told to stop.
LOOK_EVERY_S = 1.0
RETRY_AFTER_S = 10.0
MAX_POSITION_CHARACTERS = 200


def event(name: str, data: str, position: str = "") -> bytes:
    """One event; its data may have several lines. Who comes again says the last `position` it had."""
    lines = "".join(f"data: {line}\n" for line in data.strip().splitlines())
    return (f"id: {position}\n" if position else "").encode() + f"event: {name}\n{lines}\n".encode()


def last_position(request: Request) -> str | None:
    """Up to where the reader has had everything, if it was here before."""
    position = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return position[:MAX_POSITION_CHARACTERS] or None


class Streams:
    """The streams of this process; they end when it begins to stop, or it would wait for them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: Counter[int] = Counter()

    def response(self, request: Request, user_id: int, events: Events, may_read: MayRead) -> Response:
        """The answer, which must be sent at once; raises Unavailable or TooManyRequests for one too many.

        `may_read` is asked again with each event and each sign of life: a stream lasts longer than a request.
        """
        running: Running = request.app.state.kit.running
        if self._open.total() >= self.most or running.draining:
            raise Unavailable("too many readers of live news", retry_after_s=RETRY_AFTER_S)
        if self._open[user_id] >= EACH:
            raise TooManyRequests("too many streams of yours at the same time", retry_after_s=RETRY_AFTER_S)
        return _EventStream(self, running, user_id, events, may_read)

    @contextmanager
    def place(self, user_id: int) -> Iterator[None]:
        """Count a stream as long as the block lasts."""
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


async def _send_all(
    running: Running, events: Events, may_read: MayRead, receive: Receive, send: Send
) -> None:
    """Pass the events on until they end, the reader leaves, the time is up, or the process stops."""
    tasks = [
        asyncio.create_task(work)
        for work in (_pass_on(events, may_read, send), _gone(receive), _stopping(running))
    ]
    try:
        await asyncio.wait(tasks, timeout=LIFE_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    # A reader who is gone hears nothing of it.
    with suppress(OSError):
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _pass_on(events: Events, may_read: MayRead, send: Send) -> None:
    """Until they end, their source is away, or the reader does not take them or may not have them."""
    await _sent(send, f"retry: {RETRY_MS}\n\n".encode())
    async with aclosing(events):
        waiting = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                done, _ = await asyncio.wait([waiting], timeout=ALIVE_EVERY_S)
                await may_read()
                if not done:
                    await _sent(send, b": alive\n\n")
                    continue
                piece = waiting.result()
                if piece is None:
                    return
                await _sent(send, piece)
                waiting = asyncio.ensure_future(anext(events, None))
        except Problem:
            # The source went away, or the sign-in: the reader comes again by itself.
            return
        finally:
            await end(waiting)


async def _sent(send: Send, piece: bytes) -> None:
    async with asyncio.timeout(SEND_S):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _stopping(running: Running) -> None:
    while not running.draining:  # noqa: ASYNC110 - the kit has no event for it
        await asyncio.sleep(LOOK_EVERY_S)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _EventStream(Response):
    media_type = "text/event-stream"

    def __init__(
        self, streams: Streams, running: Running, user_id: int, events: Events, may_read: MayRead
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._running = running
        self._user_id = user_id
        self._events = events
        self._may_read = may_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Before anything is waited for: what comes at the same time must find it counted.
        with self._streams.place(self._user_id):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _send_all(self._running, self._events, self._may_read, receive, send)
