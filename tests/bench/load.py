"""A closed-loop HTTP/1.1 client that costs little itself: N connections, each sending when answered."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httptools


@dataclass(frozen=True)
class Target:
    """What to ask: `request` is the whole request as bytes, sent again and again to host:port."""

    name: str
    host: str
    port: int
    request: bytes
    tls: ssl.SSLContext | None = None


@dataclass
class Result:
    """Answers by status, and how long each took (seconds)."""

    elapsed_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies_s) / self.elapsed_s if self.elapsed_s else 0.0

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] * 1000 if ordered else 0.0

    def add(self, other: Result) -> None:
        self.elapsed_s += other.elapsed_s
        self.statuses.update(other.statuses)
        self.latencies_s += other.latencies_s


class Connection(asyncio.Protocol):
    """Sends the request, reads the answer whole, and goes on until `more` says no."""

    def __init__(self, request: bytes, result: Result, more: Callable[[], bool]) -> None:
        self.request, self.result, self.more = request, result, more
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.result.latencies_s.append(time.perf_counter() - self.sent_at)
        self.result.statuses[self.parser.get_status_code()] += 1
        if self.more() and self.parser.should_keep_alive():
            asyncio.get_running_loop().call_soon(self.send)
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def get(path: str, host: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A GET request as bytes; through a proxy `path` is the whole URL."""
    lines = [f"GET {path} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


async def load(target: Target, *, connections: int, seconds: float, requests: int | None = None) -> Result:
    """Load `target` for `seconds`, or until `requests` were sent; a lost connection is opened anew."""
    result = Result()
    started = time.perf_counter()
    stop_at = started + seconds
    left = [requests if requests is not None else 10**12]

    def more() -> bool:
        left[0] -= 1
        return left[0] >= 0 and time.perf_counter() < stop_at

    async def one() -> None:
        loop = asyncio.get_running_loop()
        while more():
            _, connection = await loop.create_connection(
                lambda: Connection(target.request, result, more), target.host, target.port, ssl=target.tls
            )
            await asyncio.wait_for(connection.done, seconds + 30)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one())
    result.elapsed_s = time.perf_counter() - started
    return result
