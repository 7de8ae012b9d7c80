"""The sample service, running on a real database, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import pytest
from starlette.applications import Starlette

from services.kit.settings import Secret
from tests.access_tokens import AUDIENCE, ISSUER
from tests.conftest import MigratedDatabase
from tests.integration.kit.process import PACKAGE
from tests.integration.kit.sample.app import Settings, create


class NewSettings(Protocol):
    """Settings of the sample service with a fresh database; arguments replace them."""

    async def __call__(self, **changes: Any) -> Settings: ...


@pytest.fixture
def new_settings(migrated_database: MigratedDatabase, jwks_url: str) -> NewSettings:
    async def make(**changes: Any) -> Settings:
        usual: dict[str, Any] = {
            "database_url": Secret(await migrated_database(PACKAGE)),
            "jwks_url": jwks_url,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "database_acquire_timeout_s": 10.0,
        }
        return Settings(**(usual | changes))

    return make


@asynccontextmanager
async def started(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `app`, in this process, while its lifespan lasts."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as client,
    ):
        yield client


@pytest.fixture
async def sample(new_settings: NewSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with started(create(await new_settings())) as client:
        yield client


@pytest.fixture
async def environment(migrated_database: MigratedDatabase, jwks_url: str) -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "METRICS_PORT": "0",
        "DATABASE_URL": await migrated_database(PACKAGE),
        "JWKS_URL": jwks_url,
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        # What becomes of a request is not to depend on how busy a machine is.
        "DATABASE_ACQUIRE_TIMEOUT_S": "30",
        "QUEUE_TIMEOUT_S": "30",
        # Whoever looks at what happens meanwhile has this long.
        "DRAIN_DELAY_S": "3",
    }
