"""Probes of type grpc ask the standard health service."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mesh.local.runtime.grpc_health import serving

pytestmark = pytest.mark.anyio
SERVING, NOT_SERVING = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
)


@pytest.fixture
async def states() -> AsyncIterator[tuple[health.aio.HealthServicer, int]]:
    """A server's health, and its port."""
    servicer = health.aio.HealthServicer()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, port
    await server.stop(None)


async def test_a_server_is_asked_as_a_whole_or_for_one_service(
    states: tuple[health.aio.HealthServicer, int],
) -> None:
    servicer, port = states
    assert await serving("127.0.0.1", port, "") is None
    assert "NOT_FOUND" in str(await serving("127.0.0.1", port, "shop.Shop"))
    await servicer.set("shop.Shop", SERVING)
    assert await serving("127.0.0.1", port, "shop.Shop") is None
    await servicer.set("shop.Shop", NOT_SERVING)
    assert await serving("127.0.0.1", port, "shop.Shop") == "the service shop.Shop is NOT_SERVING"


async def test_a_server_without_health_says_so() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert await serving("127.0.0.1", port, "") == "the server does not implement grpc.health.v1.Health"
    finally:
        await server.stop(None)


async def test_nobody_there_is_a_failure() -> None:
    assert "UNAVAILABLE" in str(await serving("127.0.0.1", 1, ""))


# A probe waits for a server that never answers while processes are started beside it.
BESIDE = """
import asyncio, socket, uvloop
from mesh.local.runtime.grpc_health import serving
async def ask():
    server = socket.create_server(("127.0.0.1", 0))
    asking = asyncio.create_task(serving(*server.getsockname(), ""))
    mute, _ = await asyncio.to_thread(server.accept)
    for _ in range(20):
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()
    asking.cancel()
    await asyncio.wait([asking])
uvloop.run(ask())
"""


async def test_grpc_does_not_complain_of_processes_that_are_started_beside_it() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BESIDE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, errors) == (0, b"")
