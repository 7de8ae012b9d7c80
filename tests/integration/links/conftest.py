"""The real service over a real database: the ASGI application, called as one user or another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.settings import Secret
from services.links.app import create
from services.links.settings import LinksSettings
from tests.access_tokens import AUDIENCE, ISSUER, TokenMint
from tests.conftest import MigratedDatabase
from tests.web_stack import PATIENT

TOKEN = "services-show-this"
Execute = Callable[[str], Awaitable[str]]


class AsUser(Protocol):
    """A client that calls as the user with this id, with a token of this scope."""

    def __call__(self, user_id: int, scope: str = "read write") -> httpx.AsyncClient: ...


@pytest.fixture
def max_links() -> int:
    """The quota of one account; a test that needs a small one parametrises it."""
    return 200_000


@pytest.fixture
async def database_url(migrated_database: MigratedDatabase) -> str:
    return await migrated_database("services.links")


@pytest.fixture
async def execute(database_url: str) -> AsyncIterator[Execute]:
    """Runs a statement beside the service, as another service or an operator would."""
    connection = await asyncpg.connect(database_url)
    yield connection.execute
    await connection.close()


@pytest.fixture
def acquire_timeout_s() -> float:
    """How long a request waits for a connection; a test that is about that wait says it itself."""
    return float(PATIENT["database_acquire_timeout_s"])


@pytest.fixture
async def app(
    database_url: str, jwks_url: str, max_links: int, acquire_timeout_s: float
) -> AsyncIterator[Starlette]:
    settings = LinksSettings(
        database_url=Secret(database_url),
        jwks_url=jwks_url,
        issuer=ISSUER,
        audience=AUDIENCE,
        max_links_per_user=max_links,
        service_token=Secret(TOKEN),
        **(PATIENT | {"database_acquire_timeout_s": acquire_timeout_s}),
    )
    app = create(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def as_user(app: Starlette, token_mint: TokenMint) -> AsyncIterator[AsUser]:
    clients: list[httpx.AsyncClient] = []

    def client(user_id: int, scope: str = "read write") -> httpx.AsyncClient:
        clients.append(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://links",
                headers=token_mint.headers(user_id, scopes=scope.split()),
            )
        )
        return clients[-1]

    yield client
    for each in clients:
        await each.aclose()
