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

# A request that is not answered so long after the end of its round never is.
ANSWERED_WITHIN_S = 30.0


@dataclass(frozen=True)
class Target:
    """What to ask of host:port: a whole request as bytes, the same again and again or made anew each time."""

    name: str
    host: str
    port: int
    request: bytes | Callable[[], bytes]
    tls: ssl.SSLContext | None = None

    def next_request(self) -> bytes:
        return self.request if isinstance(self.request, bytes) else self.request()


@dataclass
class Result:
    """Answers by status, and how long each took (seconds)."""

    elapsed_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies_s) / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def all_well(self) -> bool:
        """Whether there were answers, and every one was 2xx."""
        return bool(self.statuses) and all(200 <= status < 300 for status in self.statuses)

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] * 1000 if ordered else 0.0

    def add(self, other: Result) -> None:
        self.elapsed_s += other.elapsed_s
        self.statuses.update(other.statuses)
        self.latencies_s += other.latencies_s


class Connection(asyncio.Protocol):
    """Sends a request, reads the answer whole, and goes on until `more` says no."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.done: asyncio.Future[None] | None = None
        self._lost = asyncio.Event()

    async def go(self, result: Result, more: Callable[[], bool]) -> None:
        """One request at least; ends early when the other side closes the connection."""
        self.result, self.more = result, more
        self.done = asyncio.get_running_loop().create_future()
        self._send()
        await self.done

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()

    async def close(self) -> None:
        """Returns when nothing of it is left: a loop that ends before would leave its transport open."""
        self.transport.abort()
        await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no asyncio.Transport by descent.
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def _send(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.sent_at = time.perf_counter()
        self.transport.write(self.target.next_request())

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.result.latencies_s.append(time.perf_counter() - self.sent_at)
        self.result.statuses[self.parser.get_status_code()] += 1
        if not self.parser.should_keep_alive():
            self.transport.close()
        elif self.more():
            asyncio.get_running_loop().call_soon(self._send)
        else:
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost.set()
        self._finish()

    def _finish(self) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(None)


class Connections:
    """`count` connections to a target that stay open from one round to the next."""

    def __init__(self, target: Target, count: int) -> None:
        self.target = target
        self._open: list[Connection | None] = [None] * count

    async def run(self, *, seconds: float, requests: int | None = None) -> Result:
        """Load the target for `seconds`, or until `requests` were sent; a lost connection is opened anew."""
        result = Result()
        for number in range(len(self._open)):
            await self._connection(number)
        started = time.perf_counter()
        stop_at = started + seconds
        left = requests if requests is not None else 10**12

        def more() -> bool:
            nonlocal left
            left -= 1
            return left >= 0 and time.perf_counter() < stop_at

        async def one(number: int) -> None:
            while more():
                connection = await self._connection(number)
                await asyncio.wait_for(connection.go(result, more), seconds + ANSWERED_WITHIN_S)

        async with asyncio.TaskGroup() as tasks:
            for number in range(len(self._open)):
                tasks.create_task(one(number))
        result.elapsed_s = time.perf_counter() - started
        return result

    async def close(self) -> None:
        for connection in self._open:
            if connection is not None:
                await connection.close()

    async def _connection(self, number: int) -> Connection:
        connection = self._open[number]
        if connection is None or not connection.is_open:
            target = self.target
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(target), target.host, target.port, ssl=target.tls
            )
            self._open[number] = connection
        return connection


def get(path: str, host: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A GET request as bytes; through a proxy `path` is the whole URL."""
    lines = [f"GET {path} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, host: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """A POST request with a JSON body as bytes."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in headers)]
    lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def load(target: Target, *, connections: int, seconds: float, requests: int | None = None) -> Result:
    """Load `target` over connections of this round alone."""
    every = Connections(target, connections)
    try:
        return await every.run(seconds=seconds, requests=requests)
    finally:
        await every.close()
