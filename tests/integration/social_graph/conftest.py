"""The real service over a real database: the ASGI application, called as one person or another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.settings import Secret
from services.social_graph.api import Deps
from services.social_graph.app import create
from services.social_graph.people_store import PeopleStore
from services.social_graph.settings import SocialGraphSettings
from tests.access_tokens import AUDIENCE, ISSUER, TokenMint
from tests.conftest import MigratedDatabase
from tests.web_stack import PATIENT

SERVICE_TOKEN = "of this installation"

Query = Callable[..., Awaitable[list[asyncpg.Record]]]


@dataclass(frozen=True)
class Somebody:
    """A person with a client that calls on their behalf."""

    id: int
    name: str
    http: httpx.AsyncClient

    async def put(self, path: str) -> int:
        """The status of PUT /api/v1/PATH."""
        return (await self.http.put(path)).status_code

    async def delete(self, path: str) -> int:
        return (await self.http.delete(path)).status_code

    async def get(self, path: str, **query: Any) -> Any:
        """The answer to GET /api/v1/PATH, which must be one."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, path: str, **query: Any) -> list[str]:
        """Who is in a list."""
        return [item["username"] for item in (await self.get(path, **query))["items"]]


# Makes somebody: by name, with an id of their own or the one given, known to the graph unless said otherwise.
Meet = Callable[..., Awaitable[Somebody]]


@pytest.fixture
def setting() -> dict[str, Any]:
    """Settings that a test wants otherwise; it parametrises this."""
    return {}


@pytest.fixture
async def database_url(migrated_database: MigratedDatabase) -> str:
    return await migrated_database("services.social_graph")


@pytest.fixture
async def query(database_url: str) -> AsyncIterator[Query]:
    """Runs SQL beside the service, to see what it has stored."""
    connection = await asyncpg.connect(database_url)
    yield connection.fetch
    await connection.close()


@pytest.fixture
def settings(database_url: str, jwks_url: str, setting: dict[str, Any]) -> SocialGraphSettings:
    values: dict[str, Any] = {
        "database_url": Secret(database_url),
        "jwks_url": jwks_url,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "service_token": Secret(SERVICE_TOKEN),
    }
    return SocialGraphSettings(**{**PATIENT, **values, **setting})


@pytest.fixture
async def app(settings: SocialGraphSettings) -> AsyncIterator[Starlette]:
    app = create(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def people(app: Starlette) -> PeopleStore:
    """What events about accounts are handled with."""
    deps: Deps = app.state.kit.running.deps
    return deps.directory.people


@pytest.fixture
async def meet(app: Starlette, token_mint: TokenMint, query: Query) -> AsyncIterator[Meet]:
    met: list[Somebody] = []

    async def somebody(
        name: str, *, id: int | None = None, scope: str = "read write", known: bool = True
    ) -> Somebody:
        user_id = len(met) + 1 if id is None else id
        if known:
            await query("INSERT INTO people (user_id, username) VALUES ($1, $2)", user_id, name)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://social-graph/api/v1/",
            headers=token_mint.headers(user_id, name=name, scopes=scope.split()),
        )
        met.append(Somebody(user_id, name, client))
        return met[-1]

    yield somebody
    for each in met:
        await each.http.aclose()


@pytest.fixture
async def service(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Another service of the installation."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://social-graph/internal/v1/",
        headers={"x-service-token": SERVICE_TOKEN},
    ) as client:
        yield client


async def count(query: Query, user_id: int) -> tuple[int, int]:
    """The counted followers and followed of somebody, which must be the real ones."""
    [row] = await query(
        """
        SELECT followers, following, blocking,
               (SELECT count(*) FROM follows WHERE followee_id = user_id) AS real_followers,
               (SELECT count(*) FROM follows WHERE follower_id = user_id) AS real_following,
               (SELECT count(*) FROM blocks WHERE blocker_id = user_id) AS real_blocking
        FROM people WHERE user_id = $1""",
        user_id,
    )
    counted = (row["followers"], row["following"], row["blocking"])
    assert counted == (row["real_followers"], row["real_following"], row["real_blocking"])
    return counted[:2]


async def told(query: Query) -> list[tuple[int, str, dict[str, Any]]]:
    """The events that wait in the outbox, in order: key, type, data."""
    rows = await query("SELECT key, type, data FROM outbox ORDER BY sequence")
    return [(row["key"], row["type"], json.loads(row["data"])) for row in rows]


async def crowd(query: Query, number: int, first: int = 1_000) -> list[int]:
    """So many people with ids from `first` on, named `fan-ID`."""
    ids = list(range(first, first + number))
    await query(
        "INSERT INTO people (user_id, username) SELECT id, 'fan-' || id FROM unnest($1::bigint[]) AS id", ids
    )
    return ids


async def follow(query: Query, edges: list[tuple[int, int]]) -> None:
    """Edges in this order, as whoever fills a database would make them."""
    for edge in edges:
        await query("INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2)", *edge)
