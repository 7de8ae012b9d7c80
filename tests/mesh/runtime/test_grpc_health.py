"""Probes of type grpc ask the standard health service."""

from __future__ import annotations

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


def test_grpc_does_not_complain_of_processes_that_are_started_beside_it() -> None:
    code = (
        "import asyncio, subprocess\nfrom mesh.local.runtime.grpc_health import serving\n"
        "async def ask():\n    await serving('127.0.0.1', 1, '')\n"
        "    process = await asyncio.create_subprocess_exec('true', preexec_fn=int)\n"
        "    await process.wait()\nasyncio.run(ask())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
