"""A collector of spans: OTLP over HTTP on loopback, which answers as a test tells it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from telemetry.spans import Span, read

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def taken(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():  # or who asked no longer waits
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


async def never(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def status(code: int, body: bytes = b"{}") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d Said\r\ncontent-length: %d\r\n\r\n%b" % (code, len(body), body))

    return answer


@dataclass
class Collector:
    """An OTLP/HTTP endpoint that answers as it is told."""

    answer: Answer
    spans: list[Span] = field(default_factory=list)
    asked: int = 0
    port: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"POST /v1/traces ")
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert length is not None
            body = await reader.readexactly(int(length[1]))
            self.asked += 1
            await self.answer(writer)
            if writer.is_closing():
                return  # it will come again
            self.spans += [span for trace in read(msgspec.json.decode(body)) for span in trace.spans]
            await writer.drain()
        except asyncio.CancelledError:
            # By `end`, which waits for it: asyncio's streams take a cancelled one for a fault.
            return
        finally:
            self.serving.discard(task)
            writer.close()

    async def end(self) -> None:
        """Leave those alone who still wait for an answer."""
        waiting = list(self.serving)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@asynccontextmanager
async def collecting(answer: Answer = taken) -> AsyncIterator[Collector]:
    collector = Collector(answer)
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    try:
        yield collector
    finally:
        server.close()
        await collector.end()
