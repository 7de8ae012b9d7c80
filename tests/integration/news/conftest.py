"""News over a real Redis, and the owning services as a small HTTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import RunningRedis
from tests.integration.news.owners import Owners, served
from tests.integration.news.world import World, opened


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
def address(owners: Owners) -> Iterator[str]:
    """Where the internal addresses of the owning services are."""
    with served(owners) as url:
        yield url


@pytest.fixture
async def world(redis_server: RunningRedis, owners: Owners, address: str) -> AsyncIterator[World]:
    async with opened(redis_server.url(1), owners, address) as made:
        yield made
