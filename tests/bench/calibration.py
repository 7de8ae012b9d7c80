"""The measure that budgets are ratios to: a server that does a fixed amount of work for each request.

A loop in the benchmark's own process would stay in the processor's caches while what is measured is thrown
out of them by every process it talks to; beside other load the two would not scale alike. So the calibration
is measured as a service is: a process of its own, asked over the same kind of connections by the same client,
as long and as often. Its work is of a service's kind (the interpreter, objects, JSON, a hash, reads and
writes of a socket on uvloop) and none of this project's or a framework's code, so that no change of either
moves it. Whoever changes it has to write the budgets anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys

import uvloop

ITEMS = 40
# Together about what a page of links costs; more of the same kind of work only takes longer to measure.
STEPS = 1_000


class Calibration(asyncio.Protocol):
    """Answers whatever asks, without looking at it: a request is one segment here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        body = work(data)
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def work(seed: bytes) -> bytes:
    """The fixed work: some steps of the interpreter, a page of objects as JSON and back, a hash of it."""
    total = len(seed)
    for step in range(STEPS):
        total = (total * 31 + step) % 1_000_003
    items = [{"id": total + n, "title": f"Page {n}", "tags": ["calibration", str(n)]} for n in range(ITEMS)]
    page = json.loads(json.dumps({"items": items, "next": None}))
    page["digest"] = hashlib.sha256(repr(page).encode()).hexdigest()
    return json.dumps(page).encode()


async def serve() -> None:
    """Serve on a port that the system chooses, say which on stdout, until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Calibration, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
