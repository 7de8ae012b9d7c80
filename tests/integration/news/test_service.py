"""The whole service: events from a real broker, timelines in a real Redis, readers over gRPC."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest
import redis
from nats.js.api import Header

from services.kit.errors import BadRequest, DeadlineExceeded, Problem, Unauthenticated, Unavailable
from services.kit.events import envelope
from services.kit.events.bus import Bus, open_bus
from services.kit.settings import Secret
from services.news import events
from services.news.app import create
from services.news.client import NewsClient, NewsItem, open_news
from services.news.settings import NewsSettings
from tests.access_tokens import AUDIENCE, ISSUER, TokenMint
from tests.conftest import RunningNats, RunningRedis
from tests.integration.news.owners import TOKEN, Owners, Told
from tests.integration.news.world import make_event

pytestmark = pytest.mark.anyio

READER, ANN = 100, 1
DATABASE = 3
WITHIN_S = 60.0


@dataclass
class Service:
    """The running service, its client, and both publishers."""

    owners: Owners
    client: NewsClient
    links: Bus
    social: Bus
    mint: TokenMint

    async def tell(self, *told: Told) -> None:
        """Publish events as their owners do."""
        for event_type, data in told:
            event = make_event(event_type, data, dt.datetime.now(dt.UTC))
            sender = self.links if event_type.startswith("delinkcious.link") else self.social
            jetstream = await sender.connected()
            headers = {Header.MSG_ID.value: event.id}
            await jetstream.publish(envelope.subject(event), envelope.encode(event), headers=headers)

    async def news(self, reader: int = READER) -> list[int]:
        return [item.id for item in (await self.client.page(self.mint.token(reader), limit=100)).items]

    async def shows(self, *expected: int) -> None:
        """Wait until the reader's news are these."""
        await eventually(lambda: self._is(list(expected)), f"the news are {expected}")

    async def _is(self, expected: list[int]) -> bool:
        try:
            return await self.news() == expected
        except (Unavailable, DeadlineExceeded):
            return False


async def eventually(look: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await look():  # noqa: ASYNC110 - what is looked at is another process
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {WITHIN_S:g} s: {what}")


@pytest.fixture
def settings(
    redis_server: RunningRedis,
    nats_server: RunningNats,
    address: str,
    jwks_url: str,
    free_port: Callable[[], int],
) -> NewsSettings:
    lose_everything(redis_server)
    return NewsSettings(
        host="127.0.0.1",
        grpc_port=free_port(),
        redis_url=redis_server.url(DATABASE),
        nats_url=nats_server.url("news"),
        service_token=Secret(TOKEN),
        links_url=address,
        social_graph_url=address,
        jwks_url=jwks_url,
        issuer=ISSUER,
        audience=AUDIENCE,
        drain_timeout_s=5.0,
    )


@asynccontextmanager
async def started(settings: NewsSettings) -> AsyncIterator[None]:
    app = create(settings)
    async with app.router.lifespan_context(app):
        yield
        app.state.kit.resources.draining.set()


@pytest.fixture
async def service(
    settings: NewsSettings, owners: Owners, broker: RunningNats, token_mint: TokenMint
) -> AsyncIterator[Service]:
    async with (
        open_bus(broker.url("links"), "links") as links,
        open_bus(broker.url("social-graph"), "social-graph") as social,
        started(settings),
        open_news(authority=f"127.0.0.1:{settings.grpc_port}") as client,
    ):
        yield Service(owners, client, links, social, token_mint)


async def test_what_is_saved_reaches_the_followers(service: Service, owners: Owners) -> None:
    await service.tell(owners.save(ANN, title="Old"), owners.follow(READER, ANN))
    await service.shows(1)
    await service.tell(owners.save(ANN, title="New"), owners.save(ANN, private=True))
    await service.shows(2, 1)

    page = await service.client.page(service.mint.token(READER), limit=1)
    (item,) = page.items
    assert (item.id, item.owner_id, item.title, item.tags) == (2, ANN, "New", ["tag"])
    assert item.created_at == owners.links[2].created_at
    rest = await service.client.page(service.mint.token(READER), limit=1, cursor=page.next)
    assert [each.id for each in rest.items] == [1]
    assert rest.next is None


async def test_bad_requests_are_told_apart(service: Service) -> None:
    token = service.mint.token(READER)
    with pytest.raises(Unauthenticated):
        await service.client.page("nonsense")
    with pytest.raises(BadRequest, match="limit"):
        await service.client.page(token, limit=101)
    for cursor in ("nonsense", "gqhwb3NpdGlvbsQBAKVzaG93bgA"):
        with pytest.raises(BadRequest, match="cursor"):
            await service.client.page(token, cursor=cursor)
    with pytest.raises(BadRequest, match="after"):
        async with aclosing(service.client.watch(token, after="nonsense")) as items:
            await anext(items)


async def test_who_watches_is_told_at_once_and_once(service: Service, owners: Owners) -> None:
    await service.tell(owners.follow(READER, ANN))
    came: list[NewsItem] = []
    watching = asyncio.create_task(follow_news(service, came, None))
    await service.tell(*(fresh(owners, ANN) for _ in range(3)))
    await service.shows(3, 2, 1)
    await service.tell(fresh(owners, ANN))

    await eventually(lambda: has(came, 4), "the fourth is pushed")
    ids = [item.id for item in came]
    assert ids == sorted(set(ids))
    await stop(watching)

    # What came while nobody watched comes first.
    await service.tell(fresh(owners, ANN))
    await service.shows(5, 4, 3, 2, 1)
    again: list[NewsItem] = []
    watching = asyncio.create_task(follow_news(service, again, came[-1].position))
    await eventually(lambda: has(again, 5), "the fifth is pushed")
    await stop(watching)


async def test_a_lost_redis_is_noticed_and_built_anew(
    service: Service, owners: Owners, redis_server: RunningRedis
) -> None:
    await service.tell(owners.follow(READER, ANN), owners.save(ANN))
    await service.shows(1)
    came: list[NewsItem] = []
    watching = asyncio.create_task(follow_news(service, came, None))

    lose_everything(redis_server)
    await service.tell(fresh(owners, ANN))
    await service.shows(2, 1)

    await asyncio.to_thread(redis_server.stop)
    told = asyncio.create_task(service.tell(fresh(owners, ANN)))
    await asyncio.to_thread(redis_server.start)
    await told
    await service.shows(3, 2, 1)
    await eventually(lambda: has(came, 3), "the watcher has it, too")
    await stop(watching)


async def test_who_comes_and_goes_while_the_subscription_breaks_is_woken_all_the_same(
    service: Service, owners: Owners, redis_server: RunningRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    await service.tell(owners.follow(READER, ANN))
    came: list[NewsItem] = []
    watching = asyncio.create_task(follow_news(service, came, None))
    while not came:  # it watches from then on
        await service.tell(fresh(owners, ANN))
    for number in range(2):
        others = [asyncio.create_task(follow_news(service, [], None)) for _ in range(20)]
        if number % 2:
            await asyncio.to_thread(cut_subscriptions, redis_server)
        else:
            await asyncio.to_thread(redis_server.stop)
            await asyncio.to_thread(redis_server.start)
        await service.tell(fresh(owners, ANN))
        await asyncio.gather(*(stop(other) for other in others))
        await eventually(lambda: has(came, len(owners.links)), "each is pushed")
    await stop(watching)
    printed = capsys.readouterr().out
    assert "unhandled error" not in printed, printed[printed.index("unhandled") :]


async def test_timelines_are_built_anew_on_demand_while_readers_read(
    service: Service, owners: Owners, settings: NewsSettings
) -> None:
    await service.tell(owners.follow(READER, ANN), *(owners.save(ANN) for _ in range(20)))
    await service.shows(*range(20, 0, -1))
    reading = asyncio.create_task(read_on(service))

    done = await rebuilt(settings)

    reading.cancel()
    assert done == (0, "Timelines of 1 readers built anew from 20 links of 1 authors and 1 follows")
    await service.shows(*range(20, 0, -1))


async def follow_news(service: Service, came: list[NewsItem], after: str | None) -> None:
    """Watch, again and again, as a client does."""
    while True:
        try:
            async with aclosing(service.client.watch(service.mint.token(READER), after=after)) as items:
                async for item in items:
                    if item.id not in {each.id for each in came}:
                        came.append(item)
                    after = item.position
        except Problem:
            await asyncio.sleep(0.05)


async def read_on(service: Service) -> None:
    while True:
        assert await service.news() == list(range(20, 0, -1))


async def rebuilt(settings: NewsSettings) -> tuple[int | None, str]:
    """`python -m services.news rebuild` with these settings."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.news",
        "rebuild",
        env={
            "REDIS_URL": settings.redis_url.reveal(),
            "SERVICE_TOKEN": TOKEN,
            "LINKS_URL": settings.links_url,
            "SOCIAL_GRAPH_URL": settings.social_graph_url,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode().strip().splitlines()[-1].partition(", in ")[0]


async def has(came: list[NewsItem], number: int) -> bool:
    return any(item.id == number for item in came)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def fresh(owners: Owners, owner: int) -> Told:
    """A link that is saved now."""
    owners.save(owner)
    now = dt.datetime.now(dt.UTC)
    number = max(owners.links)
    told = owners.edit(number, created_at=now, updated_at=now)
    assert told[0] == events.LINK_SAVED
    return told


def cut_subscriptions(server: RunningRedis) -> None:
    with redis.Redis.from_url(server.url(DATABASE).reveal()) as client:
        client.client_kill_filter(_type="pubsub")


def lose_everything(server: RunningRedis) -> None:
    with redis.Redis.from_url(server.url(DATABASE).reveal()) as client:
        client.flushdb()
