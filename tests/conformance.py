"""Whether a running service keeps to its own OpenAPI description, whatever it is sent."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette

from services.kit.endpoint import Endpoint
from services.kit.serving import openapi

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Enough to try each parameter; the whole stays within seconds.
EXAMPLES = 20

Document = dict[str, Any]


def described(service: str, version: str, endpoints: Sequence[Endpoint]) -> Document:
    """The description as a client reads it."""
    document: Document = json.loads(msgspec.json.encode(openapi.describe(service, version, endpoints)))
    return document


class _ListeningServer(uvicorn.Server):
    """uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@asynccontextmanager
async def listening(app: Starlette) -> AsyncIterator[str]:
    """The address of an application on a port of loopback, for a client that knows nothing of ASGI."""
    server = _ListeningServer(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    await asyncio.wait_for(server.listens.wait(), timeout=60)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def assert_conforms(document: Document, base_url: str, headers: dict[str, str]) -> None:
    """Call every operation with made-up requests; none may be answered outside of the description."""

    def judge() -> None:
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            _try_out(found.ok(), base_url, headers)  # type: ignore[union-attr]

    await asyncio.to_thread(judge)


def _try_out(operation: Any, base_url: str, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS)

    check()
