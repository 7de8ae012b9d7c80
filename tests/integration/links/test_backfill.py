"""The link checker is told of the links from before it listened, by who owns them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.errors import Problem, Unavailable
from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.settings import Secret
from services.link_checker import app as checker_app
from services.link_checker.client import KnownLink, LinkCheckerClient, OlderLinks, Place, Progress
from services.link_checker.settings import CheckerSettings
from services.links import backfill
from services.links.backfill import Backfill
from services.links.feed_store import FeedStore
from tests.conftest import MigratedDatabase
from tests.integration.links.conftest import TOKEN, AsUser

pytestmark = pytest.mark.anyio


@pytest.fixture
async def checker_database(migrated_database: MigratedDatabase) -> str:
    return await migrated_database("services.link_checker")


@pytest.fixture
async def checker(checker_database: str) -> AsyncIterator[httpx.AsyncClient]:
    """The checker's interface; it reaches nobody, since no public address answers here."""
    settings = CheckerSettings(
        database_url=Secret(checker_database), service_token=Secret(TOKEN), max_checks=1
    )
    app = checker_app.create(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client,
    ):
        yield client


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "OLDER_LINKS", 2)


def telling(app: Starlette, checker: LinkCheckerClient) -> Backfill:
    return Backfill(FeedStore(app.state.kit.resources.database), checker)


def client_of(checker: httpx.AsyncClient) -> LinkCheckerClient:
    return LinkCheckerClient(HttpClient(checker), Secret(TOKEN), "http://link-checker")


async def save(as_user: AsUser, *owners: int) -> None:
    for number, owner in enumerate(owners):
        body = {"url": f"http://host-{number}.test/", "private": number % 2 == 0}
        assert (await as_user(owner).post("/api/v1/links", json=body)).status_code == 201


async def known(database: str) -> list[tuple[int, str | None]]:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch(
        "SELECT owner_id, url FROM refs LEFT JOIN urls ON urls.id = refs.url_id ORDER BY owner_id, link_id"
    )
    await connection.close()
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("small_pages")
async def test_all_links_are_told_once_and_again_when_somebody_asks(
    app: Starlette, as_user: AsUser, checker: httpx.AsyncClient, checker_database: str
) -> None:
    await save(as_user, 1, 2, 1, 2, 2)
    told = telling(app, client_of(checker))
    assert await told.run() == 5
    everything = [(1, "http://host-0.test/"), (1, "http://host-2.test/")] + [
        (2, f"http://host-{number}.test/") for number in (1, 3, 4)
    ]
    assert await known(checker_database) == everything
    await save(as_user, 3)
    assert await told.run() == 0, "what is saved later comes by events"
    await told.checker.restart_backfill()
    assert await told.run() == 6
    assert await known(checker_database) == [*everything, (3, "http://host-0.test/")]


class Breaking(LinkCheckerClient):
    """Takes one page, and its answer gets lost."""

    async def tell(self, page: OlderLinks) -> Progress:
        await super().tell(page)
        raise Unavailable("lost")


@pytest.mark.usefixtures("small_pages")
async def test_it_goes_on_where_it_stopped_whoever_tells(
    app: Starlette, as_user: AsUser, checker: httpx.AsyncClient, checker_database: str
) -> None:
    await save(as_user, 1, 1, 1, 1, 1)
    whole = client_of(checker)
    with pytest.raises(Unavailable):
        await telling(app, Breaking(whole.http, whole.service_token, whole.base_url)).run()
    assert len(await known(checker_database)) == 2
    assert await telling(app, whole).run() == 3
    assert len(await known(checker_database)) == 5


async def test_a_link_that_was_removed_meanwhile_does_not_come_back(
    checker: httpx.AsyncClient, checker_database: str
) -> None:
    connection = await asyncpg.connect(checker_database)
    await connection.execute(
        "INSERT INTO refs (owner_id, link_id, version, removed_at) VALUES (1, 1, 2, now())"
    )
    await connection.close()
    links = [KnownLink(1, 1, "http://host.test/", 1), KnownLink(1, 2, "http://host.test/2", 1)]
    page = OlderLinks(after=Place(), links=links, last=True)
    assert await client_of(checker).tell(page) == Progress(after=Place(1, 2), done=True)
    assert await known(checker_database) == [(1, None), (1, "http://host.test/2")]


async def test_a_page_from_another_place_changes_nothing(
    checker: httpx.AsyncClient, checker_database: str
) -> None:
    page = OlderLinks(after=Place(7, 7), links=[KnownLink(8, 1, "http://host.test/", 1)], last=True)
    assert await client_of(checker).tell(page) == Progress(after=Place(), done=False)
    assert await known(checker_database) == []


async def test_nobody_without_the_service_token_is_listened_to(checker: httpx.AsyncClient) -> None:
    stranger = LinkCheckerClient(HttpClient(checker), Secret("guessed"), "http://link-checker")
    for call in (
        stranger.backfill(),
        stranger.restart_backfill(),
        stranger.tell(OlderLinks(after=Place(), links=[], last=True)),
    ):
        with pytest.raises(Problem) as refused:
            await call
        assert refused.value.status in (401, 403)
    answer = await checker.get("http://link-checker/internal/v1/backfill", headers={SERVICE_TOKEN: TOKEN})
    assert answer.json() == {"after": [0, 0], "done": False}
