"""`python -m tests.e2e.faulty`: the links service with faults that a file says, for a canary to be bad by.

The file that FAULTS names is JSON, and means the process whose REVISION is its `of`: `errors` is the share of
requests answered with 500, `slower` by how much an answer takes longer, `locks` whether the table of links is
locked while there are requests. Each answer names its REVISION.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit import run
from services.links import app
from services.links.settings import LinksSettings

PUBLIC = "/api/v1/links"
REVISION = b"x-revision"
LOCK = "LOCK TABLE links IN ACCESS EXCLUSIVE MODE"
BUSY_S, LOCKED_S = 2.0, 2.0
ANSWER = b'{"type":"about:blank","title":"Internal Server Error","status":500}'


class Faulty:
    """ASGI middleware."""

    seen_at = 0.0

    def __init__(self, inner: ASGIApp, file: Path) -> None:
        self._inner = inner
        self._file = file
        self._random = random.Random(1)  # noqa: S311 - the same faults each time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PUBLIC):
            await self._inner(scope, receive, send)
            return
        faults = said(self._file)
        Faulty.seen_at = time.monotonic()
        if self._random.random() < faults.get("errors", 0.0):
            headers = [(b"content-type", b"application/problem+json")]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": ANSWER})
            return
        began = time.monotonic()

        async def later(message: Any) -> None:
            if message["type"] == "http.response.start":
                if (slower := faults.get("slower", 1.0)) > 1:
                    await asyncio.sleep((slower - 1) * (time.monotonic() - began))
                named = (REVISION, os.environ["REVISION"].encode())
                message = {**message, "headers": [*message["headers"], named]}
            await send(message)

        await self._inner(scope, receive, later)


def said(file: Path) -> dict[str, float]:
    """A canary that was promoted is stable for the next: what is said of that one is not for it."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if found.pop("of", None) == os.environ["REVISION"] else {}


async def _locking(file: Path, url: str) -> None:
    """Hold the table, again and again, while requests come here: everybody else's wait for it."""
    while True:
        await asyncio.sleep(0.1)
        if said(file).get("locks") and time.monotonic() - Faulty.seen_at < BUSY_S:
            connection = await asyncpg.connect(url)
            try:
                async with connection.transaction():
                    await connection.execute(LOCK)
                    await asyncio.sleep(LOCKED_S)
            finally:
                await connection.close()


def create(settings: LinksSettings) -> Starlette:
    file = Path(os.environ["FAULTS"])
    made = app.create(settings)
    made.add_middleware(Faulty, file=file)
    inner = made.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[Any]:
        assert settings.database_url is not None
        locking = asyncio.create_task(_locking(file, settings.database_url.reveal()))
        try:
            async with inner(application) as state:
                yield state
        finally:
            locking.cancel()

    made.router.lifespan_context = lifespan
    return made


if __name__ == "__main__":
    run.main("services.links", LinksSettings, create)
