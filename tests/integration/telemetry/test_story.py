"""What people do, seen as spans: real services, PostgreSQL, NATS and Redis, and a collector over a socket."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import redis
from nats.js.api import Header

from services.kit.errors import Unavailable
from services.kit.events import envelope
from services.kit.events.bus import open_bus
from services.kit.settings import Secret
from services.links.app import create as create_links
from services.links.settings import LinksSettings
from services.news.app import create as create_news
from services.news.client import open_news
from services.news.settings import NewsSettings
from telemetry.critical_path import Node, critical_path, tree, walk
from telemetry.spans import Span, Trace, trace_of
from telemetry.traces import serving
from tests.access_tokens import AUDIENCE, ISSUER, TokenMint
from tests.collector import Collector, collecting
from tests.conftest import MigratedDatabase, RunningNats, RunningRedis
from tests.conventions import Kept, faults
from tests.integration.news.owners import TOKEN, Owners, Told, served
from tests.integration.news.world import make_event
from tests.integration.web.conftest import ORIGIN, Browser
from tests.web_stack import running

pytestmark = pytest.mark.anyio

AUTHOR, READERS = 1, (100, 101)
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
DATABASE = 5
WITHIN_S = 40.0


@dataclass
class Story:
    """The links service, called as the author; the news service, read as others; all their spans."""

    collector: Collector
    links: httpx.AsyncClient
    publish: Callable[[Told], Any]
    mint: TokenMint
    news_port: int

    async def news(self, reader: int) -> list[str]:
        async with open_news(authority=f"127.0.0.1:{self.news_port}") as client:
            return [item.url for item in (await client.page(self.mint.token(reader), limit=10)).items]

    def trace(self, trace_id: str = TRACE) -> Trace | None:
        found = [span for span in self.collector.spans if span.trace_id == trace_id]
        return trace_of(found) if found else None


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not condition():  # noqa: ASYNC110 - other threads' and processes' work
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {WITHIN_S:g} s: {what}")


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
def address(owners: Owners) -> Iterator[str]:
    with served(owners) as url:
        yield url


@pytest.fixture
async def story(
    owners: Owners,
    address: str,
    migrated_database: MigratedDatabase,
    broker: RunningNats,
    redis_server: RunningRedis,
    token_mint: TokenMint,
    jwks_url: str,
    free_port: Callable[[], int],
) -> AsyncIterator[Story]:
    port = free_port()
    with redis.Redis.from_url(redis_server.url(DATABASE).reveal()) as client:
        client.flushdb()  # the timelines of another test's readers
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(collecting())
        told: dict[str, Any] = {
            "host": "127.0.0.1",
            "jwks_url": jwks_url,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "service_token": Secret(TOKEN),
            "otel_exporter_otlp_endpoint": collector.url,
            "trace_ratio": 0.0,
        }
        social = await stack.enter_async_context(open_bus(broker.url("social-graph"), "social-graph"))
        database_url = Secret(await migrated_database("services.links"))
        links = create_links(LinksSettings(nats_url=broker.url("links"), database_url=database_url, **told))
        news = create_news(
            NewsSettings(
                grpc_port=port,
                redis_url=redis_server.url(DATABASE),
                nats_url=broker.url("news"),
                links_url=address,
                social_graph_url=address,
                drain_timeout_s=2.0,
                **told,
            )
        )
        for app in (links, news):
            await stack.enter_async_context(app.router.lifespan_context(app))
            stack.callback(app.state.kit.resources.draining.set)

        async def publish(event: Told) -> None:
            made = make_event(*event, dt.datetime.now(dt.UTC))
            jetstream = await social.connected()
            await jetstream.publish(
                envelope.subject(made), envelope.encode(made), headers={Header.MSG_ID.value: made.id}
            )

        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(links),
            base_url="http://links",
            headers=token_mint.headers(AUTHOR, scopes=["read", "write"]),
        )
        await stack.enter_async_context(client)
        yield Story(collector, client, publish, token_mint, port)


def shape(node: Node) -> list[str]:
    """The names in a tree, indented by depth."""
    return [f"{'  ' * each.depth}{each.span.service} {each.span.name}" for each in walk([node])]


def named(spans: tuple[Span, ...], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


CANARY = "canary-4711"
SECRET_URL = f"https://{CANARY}.example/{CANARY}?token={CANARY}"
SECRET_LINK = {
    "url": SECRET_URL,
    "title": CANARY,
    "note": CANARY,
    "tags": [CANARY],
}


async def followed(story: Story, owners: Owners) -> None:
    """The author has two followers, and their timelines are there: what is saved reaches both."""
    for reader in READERS:
        await story.publish(owners.follow(reader, AUTHOR))
    async with asyncio.timeout(WITHIN_S):
        number = 0
        # What was saved before there were timelines is the owner's to tell, who is not real here.
        while not await _have_news(story):
            number += 1
            await story.links.post("/api/v1/links", json={"url": f"https://first.example/{number}"})
            await asyncio.sleep(0.2)


async def _have_news(story: Story) -> bool:
    try:
        return all([await story.news(reader) for reader in READERS])
    except Unavailable:
        return False


async def test_a_save_and_both_followers_timelines_are_one_trace(story: Story, owners: Owners) -> None:
    await followed(story, owners)
    assert story.collector.spans == [], "nothing was sampled"
    saved = await story.links.post("/api/v1/links", json=SECRET_LINK, headers=SAMPLED)
    assert saved.status_code == 201

    def written() -> bool:
        trace = story.trace()
        return trace is not None and bool(named(trace.spans, "PIPELINE EVALSHA add_to_timeline"))

    await until(written, "the timelines are written")

    def whole() -> bool:
        trace = story.trace() or Trace(TRACE, ())
        return len(tree(trace)) == 1 and bool(named(trace.spans, "POST /api/v1/links"))

    await until(whole, "the trace hangs together")
    trace = story.trace()
    assert trace is not None
    (root,) = tree(trace)
    (save,) = named(trace.spans, "POST /api/v1/links")
    assert root.span == save
    assert save.parent_id == CALLER
    (publish,) = named(trace.spans, "publish events")
    assert publish.parent_id == save.span_id
    assert [link.span_id for link in publish.links] == [save.span_id]
    (process,) = (span for span in named(trace.spans, "process events") if span.service == "news")
    assert process.parent_id == publish.span_id
    assert [link.span_id for link in process.links] == [save.span_id]
    (timelines,) = named(trace.spans, "PIPELINE EVALSHA add_to_timeline")
    assert timelines.attributes["db.operation.batch.size"] == len(READERS)
    lines = shape(root)
    assert "  links INSERT links" in lines
    assert "      news PIPELINE EVALSHA add_to_timeline" in lines
    (insert,) = named(trace.spans, "INSERT links")
    assert insert.attributes["db.response.returned_rows"] == 1

    assert not faults(story.collector.spans)
    assert CANARY not in repr(story.collector.spans)
    assert trace.services == ["links", "news"]
    on_path = {segment.span_id for segment in critical_path(trace)}
    assert save.span_id in on_path
    assert insert.span_id in on_path
    assert not on_path & {publish.span_id, process.span_id}
    to_the_end = critical_path(trace, to="end")
    assert timelines.span_id in {segment.span_id for segment in to_the_end}


async def test_who_reads_news_is_one_trace_over_grpc_and_redis(story: Story, owners: Owners) -> None:
    await followed(story, owners)
    kept = Kept()
    with serving("page", "", kept.recorder, 1.0, {}):
        await story.news(READERS[0])
    page, call = kept.spans()

    def served_spans() -> list[Span]:
        trace = story.trace(page.trace_id)
        return [] if trace is None else [span for span in trace.spans if span.kind == "server"]

    # What it did meanwhile ends earlier than the call, and may be sent before it.
    await until(served_spans, "the service has told of the whole call")
    trace = story.trace(page.trace_id)
    assert trace is not None
    (served_,) = served_spans()
    assert served_.name == call.name == "delinkcious.news.v1.News/GetNews"
    assert (served_.parent_id, call.parent_id) == (call.span_id, page.span_id)
    assert (
        served_.attributes["rpc.response.status_code"] == call.attributes["rpc.response.status_code"] == "OK"
    )
    reads = [span for span in trace.spans if span.name == "EVALSHA read_timeline"]
    assert reads
    assert {span.parent_id for span in reads} == {served_.span_id}
    assert not faults([call, *trace.spans])


async def test_people_leave_nothing_of_theirs_in_spans(migrated_database: MigratedDatabase) -> None:
    async with (
        collecting() as collector,
        running(migrated_database, spans_to=collector.url) as stack,
        httpx.AsyncClient(transport=httpx.ASGITransport(stack.web), base_url=ORIGIN) as client,
    ):
        browser = Browser(client)
        fields = {"username": CANARY, "password": f"{CANARY}-password", "email": f"{CANARY}@example.org"}
        answer = await browser.post("/sign-up", fields, page="/sign-up")
        assert answer.status_code == 200, answer.text
        await browser.save(SECRET_URL, title=CANARY, note=CANARY, tags=CANARY, private="on")
        await browser.get(f"/links?q={CANARY}")
        await browser.get(f"/people/{CANARY}")
        await browser.get(f"/{CANARY}")
        client.cookies.clear()
        await browser.post("/sign-in", {"username": CANARY, "password": CANARY}, page="/sign-in")
        told = {"POST /save", "POST /api/v1/users", "INSERT users", "INSERT links", "argon2 hash"}
        told |= {"GET /api/v1/people/{username}"}
        await until(lambda: told <= {span.name for span in collector.spans}, "all services have told of all")
    assert not faults(collector.spans)
    assert CANARY not in repr(collector.spans)
    names = {span.name for span in collector.spans}
    assert len(names) < 80, sorted(names)
