"""Background traffic as the process that a pod runs: its server comes late, stalls, and then it is to end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from telemetry import line as schema

pytestmark = pytest.mark.anyio

ENDED_WITHIN_S = 30.0
MANY = 10
SESSION = {"access_token": "eyJ-secret", "refresh_token": "r-secret", "expires_in": 600, "id": 7, "items": []}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """Lets in whoever has signed up, and answers everything else; not while it is stalled."""

    def __init__(self) -> None:
        self.people: set[str] = set()
        self.signed_up = self.answered = self.waiting = self.cut_off = 0
        self.open, self.many, self.full = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.open.set()

    async def answer(self, request: web.Request) -> web.Response:
        if request.path in ("/api/v1/users", "/api/v1/sessions"):
            return self._enter(request.path, (await request.json())["username"])
        self.waiting += 1
        if self.waiting >= MANY:
            self.full.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        finally:
            self.waiting -= 1
        self.answered += 1
        if self.answered >= MANY:
            self.many.set()
        return web.json_response(SESSION)

    def _enter(self, path: str, username: str) -> web.Response:
        if path.endswith("users"):
            self.people.add(username)
            self.signed_up += 1
        return web.json_response(SESSION, status=200 if username in self.people else 401)


@asynccontextmanager
async def serving(server: Server, port: int) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        server.open.set()
        await runner.cleanup()


@asynccontextmanager
async def started(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    (folder / "password").write_text("a password that nobody guesses")
    (folder / "host").write_text(f"http://127.0.0.1:{port}")
    options = [f"--secret={folder}", "--rps=100", "--accounts=2"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.background", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Its next line."""
    assert process.stdout is not None
    text = await process.stdout.readline()
    schema.parse(text)
    found: dict[str, Any] = json.loads(text)
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def test_it_waits_for_its_server_comes_back_as_whom_it_was_and_cuts_nothing_off(tmp_path: Path) -> None:
    server, port = Server(), free_port()
    async with started(tmp_path, port) as process:
        assert (await read(process))["error"] == "the load cannot sign in: no answer"
        async with serving(server, port), asyncio.timeout(ENDED_WITHIN_S):
            await server.many.wait()
            server.open.clear()
            server.full.clear()
            await server.full.wait()
            process.send_signal(signal.SIGTERM)
            server.open.set()
            said = [await read(process)]
            while said[-1]["event"] != "stopped":
                said.append(await read(process))
            assert await process.wait() == 0
    assert server.cut_off == 0
    [sent] = [line for line in said if line["event"] == "sent"]
    assert sent["failed"] == {}
    # Beside its own requests: the two files to begin with.
    assert sent["requests"] == server.answered - 2
    assert server.signed_up == 2

    async with started(tmp_path, port) as process, serving(server, port), asyncio.timeout(ENDED_WITHIN_S):
        while (await read(process))["event"] != "ready":
            pass
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert server.signed_up == 2, "the same people come back"


async def test_a_server_of_others_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a password that nobody guesses")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.background", f"--secret={tmp_path}", "--host=http://192.0.2.1"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"192.0.2.1 is not this machine" in said
