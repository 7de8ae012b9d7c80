"""The service keeps to its own OpenAPI description, whatever it is sent."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette

from services.kit.serving import openapi
from services.links.app import ENDPOINTS, VERSION
from tests.access_tokens import TokenMint

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Enough to try each parameter; the whole stays within seconds.
EXAMPLES = 20


def described() -> dict[str, Any]:
    """The description as a client reads it."""
    document: dict[str, Any] = json.loads(msgspec.json.encode(openapi.describe("links", VERSION, ENDPOINTS)))
    return document


def test_the_description_is_valid_openapi() -> None:
    validate(described())


class ListeningServer(uvicorn.Server):
    """uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@pytest.fixture
async def base_url(app: Starlette) -> AsyncIterator[str]:
    """The application on a port of loopback, for a client that knows nothing of ASGI."""
    server = ListeningServer(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    await asyncio.wait_for(server.listens.wait(), timeout=10)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.mark.anyio
async def test_no_request_is_answered_outside_of_the_description(
    base_url: str, token_mint: TokenMint
) -> None:
    def judge() -> None:
        schema = schemathesis.openapi.from_dict(described())
        for found in schema.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]
            conforms(operation, base_url, token_mint.headers(1))

    await asyncio.to_thread(judge)


def conforms(operation: Any, base_url: str, headers: dict[str, str]) -> None:
    """Call one operation with made-up requests and check each answer."""

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
