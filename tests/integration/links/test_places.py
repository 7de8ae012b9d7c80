"""What is costly leaves connections for the rest: many slow searches or exports of one caller stop nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.http import SERVICE_TOKEN
from services.links.api import Deps
from services.links.bookmarks.writers import WRITERS
from services.links.settings import LinksSettings
from tests.integration.links.conftest import TOKEN, AsUser

pytestmark = pytest.mark.anyio

URL = "/api/v1/links"
READY = "/healthz/ready"
EXPORTS = "/api/v1/exports"

# A search for words stands still while somebody else holds this lock, until its time is over.
LOCK = 7
SLOW = f"""
    CREATE OR REPLACE FUNCTION search_phrase(owner_id bigint, written text, begun boolean, weights text)
        RETURNS tsquery LANGUAGE plpgsql VOLATILE STRICT AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({LOCK});
        RETURN 'x'::tsquery;
    END $$"""
STANDING = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

Asked = list[asyncio.Task[httpx.Response]]


class Slowness:
    """Keeps every search for words at a standstill until it is over."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def standing(self) -> int:
        return int(await self._connection.fetchval(STANDING))

    async def wait_for(self, searches: int, asked: Asked) -> None:
        """Until so many stand still (or all are answered, on a machine that is slower than they are)."""
        while await self.standing() < searches and not all(task.done() for task in asked):  # noqa: ASYNC110 - of a server
            await asyncio.sleep(0.01)

    async def over(self) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock_all()")


@pytest.fixture
def acquire_timeout_s() -> float:
    """Whoever waits for a connection as long as slow searches last has been stopped by them."""
    return LinksSettings().database_acquire_timeout_s


@pytest.fixture
async def slowness(database_url: str) -> AsyncIterator[Slowness]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(SLOW)
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    yield Slowness(connection)
    await connection.close()


def at_once(client: httpx.AsyncClient, path: str, count: int) -> Asked:
    return [asyncio.create_task(client.get(path)) for _ in range(count)]


async def save(client: httpx.AsyncClient, **fields: object) -> None:
    answer = await client.post(URL, json={"url": "https://example.org/", **fields})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "path", [f"{URL}/search?q=slow", f"{URL}/listing?q=slow", "/internal/v1/public-listing?q=slow"]
)
async def test_slow_searches_of_one_caller_stop_nobody_else(
    app: Starlette, as_user: AsUser, slowness: Slowness, path: str
) -> None:
    anna, ben = as_user(1), as_user(2)
    anna.headers[SERVICE_TOKEN] = TOKEN
    for client in (anna, ben):
        await save(client, tags=["tag"])
    asked = at_once(anna, path, 60)
    await slowness.wait_for(2, asked)
    await save(ben, url="https://example.org/more")
    assert len((await ben.get(URL)).json()["items"]) == 2
    assert len((await ben.get(f"{URL}/search", params={"q": "tag:tag"})).json()["items"]) == 1
    assert (await anna.get(URL)).status_code == 200
    assert (await ben.get(READY)).status_code == 200
    assert await slowness.standing() <= 2
    await slowness.over()
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} <= {200, 422, 429}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 30
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}
    assert refused[0].json()["detail"] == "searches of yours are running, try again soon"


async def test_slow_searches_of_many_callers_leave_connections_for_the_rest(
    as_user: AsUser, slowness: Slowness
) -> None:
    others = [as_user(number) for number in range(1, 11)]
    for client in others:
        await save(client)
    asked = [task for client in others for task in at_once(client, f"{URL}/search?q=slow", 9)]
    await slowness.wait_for(4, asked)
    for client in others:
        assert len((await client.get(URL)).json()["items"]) == 1
    await save(as_user(11))
    assert (await as_user(11).get(READY)).status_code == 200
    assert await slowness.standing() <= 4
    await slowness.over()
    assert {answer.status_code for answer in await asyncio.gather(*asked)} <= {200, 422, 429}


async def test_one_export_of_an_account_runs_at_a_time(app: Starlette, as_user: AsUser) -> None:
    anna, ben = as_user(1), as_user(2)
    for client in (anna, ben):
        await save(client)
    deps: Deps = app.state.kit.running.deps
    # Read slowly: one piece, and no more for now.
    async with aclosing(deps.exports.file(1, WRITERS["json"])) as slow:
        await anext(slow)
        for refused in await asyncio.gather(*at_once(anna, EXPORTS, 3)):
            assert refused.status_code == 429
            assert refused.json()["detail"] == "exports of yours are running, try again soon"
            assert refused.headers["retry-after"] == "5"
        assert (await ben.get(EXPORTS)).status_code == 200
        async with aclosing(deps.exports.file(3, WRITERS["json"])) as third:
            await anext(third)
            assert (await ben.get(EXPORTS)).status_code == 200
    assert (await anna.get(EXPORTS)).status_code == 200
    assert (await anna.head(EXPORTS)).status_code == 200
    assert (await anna.get(EXPORTS)).status_code == 200
