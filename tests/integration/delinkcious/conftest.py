"""Both services behind one address, as the ingress gateway puts them, and the real program to call them."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from services.kit.settings import Secret
from services.links import app as links
from services.links.settings import LinksSettings
from services.users import app as users
from services.users.settings import UsersSettings
from tests.access_tokens import AUDIENCE, ISSUER
from tests.conftest import MigratedDatabase

OF_USERS = ("/api/v1/users", "/api/v1/sessions", "/api/v1/tokens", "/api/v1/identity-providers")


@dataclass
class Outcome:
    code: int
    out: bytes
    err: str


@dataclass
class Program:
    """Runs `delinkcious` in a home of its own."""

    server: str
    home: Path

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "delinkcious",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "HOME": str(self.home), "DELINKCIOUS_SERVER": self.server},
        )

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        process = await self.start(*arguments)
        out, err = await process.communicate(stdin)
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Outcome(process.returncode, out, err.decode())


@pytest.fixture
async def server(migrated_database: MigratedDatabase, free_port: Callable[[], int]) -> AsyncIterator[str]:
    port, jwks_port = free_port(), free_port()
    address = f"http://127.0.0.1:{port}"
    users_app = users.create(
        UsersSettings(
            database_url=Secret(await migrated_database("services.users")),
            issuer=ISSUER,
            audience=AUDIENCE,
            service_token=Secret("services-show-this"),
            key_encryption_key=Secret(base64.b64encode(secrets.token_bytes(32)).decode()),
            jwks_port=jwks_port,
        )
    )
    links_app = links.create(
        LinksSettings(
            database_url=Secret(await migrated_database("services.links")),
            jwks_url=f"{address}/.well-known/jwks.json",
            issuer=ISSUER,
            audience=AUDIENCE,
            service_token=Secret("services-show-this"),
        )
    )

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/.well-known"):
            await users_app.state.kit.listeners[jwks_port](scope, receive, send)
        elif path.startswith(OF_USERS):
            await users_app(scope, receive, send)
        else:
            await links_app(scope, receive, send)

    config = uvicorn.Config(gateway, host="127.0.0.1", port=port, lifespan="off", log_level="warning")
    running = uvicorn.Server(config)
    async with users_app.router.lifespan_context(users_app), links_app.router.lifespan_context(links_app):
        serving = asyncio.create_task(running._serve())
        while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield address
        running.should_exit = True
        await serving


@pytest.fixture
def program(server: str, tmp_path: Path) -> Program:
    return Program(server, tmp_path)


INTERRUPT = signal.SIGINT
