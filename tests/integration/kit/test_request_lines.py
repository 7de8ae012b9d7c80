"""Request lines as long as programs send them, and longer ones."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.kit.errors import ProblemResponses
from services.kit.serving.protocol import MAX_REQUEST_LINE_BYTES, Protocol
from telemetry.metrics import HttpMetrics, Measuring

pytestmark = pytest.mark.anyio


async def length(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body()
    await PlainTextResponse(f"{len(scope['query_string'])} {len(body)}")(scope, receive, send)


async def test_a_line_that_is_too_long_is_answered_and_counted_and_the_connection_goes_on() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    registry = CollectorRegistry()
    app = Measuring(ProblemResponses(length), metrics=HttpMetrics(registry))
    config = uvicorn.Config(app, http=Protocol, lifespan="off", ws="none", loop="none", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve([listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    room = MAX_REQUEST_LINE_BYTES - len("POST /? HTTP/1.1")
    try:
        for query, status in ((room, 200), (room + 1, 414), (3_000_000, 414), (7, 200)):
            writer.write(b"POST /?" + b"q" * query + b" HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc")
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(size)
            assert int(head.split()[1]) == status
            if status == 200:
                assert body == f"{query} 3".encode()
            else:
                assert json.loads(body)["status"] == 414
    finally:
        writer.close()
        server.should_exit = True
        await running
    for outcome in ("200", "414"):
        labels = {"method": "POST", "route": "(none)", "status": outcome}
        assert registry.get_sample_value("http_server_request_duration_seconds_count", labels) == 2
