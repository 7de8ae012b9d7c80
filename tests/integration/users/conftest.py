"""The real service over a real database, in a time that a test can move."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.http import HttpClient
from services.kit.settings import Secret
from services.users.app import create
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.settings import UsersSettings
from tests.access_tokens import AUDIENCE, ISSUER
from tests.conftest import MigratedDatabase
from tests.web_stack import PATIENT

SERVICE_TOKEN = Secret("what services show each other")
PASSWORD = "a long walk by the sea"
Query = Callable[..., Awaitable[list[asyncpg.Record]]]


@dataclass
class Clock:
    """The present, plus what a test has added to it; or the moment at which a test has stopped it."""

    ahead: dt.timedelta = dt.timedelta()
    stopped_at: dt.datetime | None = None

    def __call__(self) -> dt.datetime:
        return (self.stopped_at or dt.datetime.now(dt.UTC)) + self.ahead

    def stop(self) -> None:
        """How long what follows takes is the machine's, and no limit's."""
        self.stopped_at = dt.datetime.now(dt.UTC)

    def advance(self, **time: float) -> None:
        self.ahead += dt.timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def setting() -> dict[str, Any]:
    """Settings that a test wants otherwise; it parametrises this."""
    return {}


@pytest.fixture
async def database_url(migrated_database: MigratedDatabase) -> str:
    return await migrated_database("services.users")


@pytest.fixture
def settings(database_url: str, setting: dict[str, Any]) -> UsersSettings:
    values: dict[str, Any] = {
        "database_url": Secret(database_url),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "key_encryption_key": Secret(base64.b64encode(secrets.token_bytes(32)).decode()),
        "argon2_queue": 100,
        "service_token": SERVICE_TOKEN,
    }
    return UsersSettings(**{**PATIENT, **values, **setting})


@pytest.fixture
async def app(settings: UsersSettings, clock: Clock) -> AsyncIterator[Starlette]:
    app = create(settings, clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def deps(app: Starlette) -> Deps:
    deps: Deps = app.state.kit.running.deps
    return deps


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client behind the ingress gateway; each header X-Forwarded-For is another address."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://users/api/v1") as client:
        yield client


@pytest.fixture
def users(http: httpx.AsyncClient) -> UsersClient:
    return UsersClient(HttpClient(http))


@pytest.fixture
async def side_by_side(deps: Deps) -> None:
    """Opens connections beforehand, or requests at the same time would wait for the one that is open."""
    await asyncio.gather(*(deps.users._database.fetchval("SELECT pg_sleep(0.1)") for _ in range(8)))


@pytest.fixture
async def query(database_url: str) -> AsyncIterator[Query]:
    """Runs SQL beside the service, to see what it has stored."""
    connection = await asyncpg.connect(database_url)
    yield connection.fetch
    await connection.close()


def bearer(token: Secret) -> dict[str, str]:
    return {"authorization": f"Bearer {token.reveal()}"}
