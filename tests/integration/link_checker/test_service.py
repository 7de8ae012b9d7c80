"""The service as a whole: over its database and a real broker, and by its one operation."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from services.kit.db import open_pool
from services.kit.events import bus, envelope
from services.kit.events.bus import open_bus
from services.kit.http import SERVICE_TOKEN
from services.kit.settings import InvalidSettings, Secret
from services.link_checker.app import create
from services.link_checker.pages import Bucket
from services.link_checker.settings import UNSAFE, CheckerSettings
from services.link_checker.store import CheckStore
from services.links.client import CHECK_FINISHED, LINK_SAVED, CheckFinished, LinkSaved
from tests.conftest import RunningNats
from tests.integration.link_checker.conftest import NewSite
from tests.integration.link_checker.site import Site, page, redirect
from tests.web_stack import PATIENT

pytestmark = pytest.mark.anyio
TOKEN = "of-this-installation"
HTML = (
    b"<title>A page</title><meta name=description content='About it'>"
    b"<meta property=og:image content='https://cdn.example.net/i.png'>"
)


def settings(database_url: str, *sites: Site, nats_url: Secret | None = None) -> CheckerSettings:
    return CheckerSettings(
        database_url=Secret(database_url),
        nats_url=nats_url or Secret(""),
        service_token=Secret(TOKEN),
        host_pause_s=0.0,
        max_pages=2,
        unsafe_test_reachable=",".join(f"{site.address[0]}:{site.port}" for site in sites),
        unsafe_test_consent=UNSAFE,
        **PATIENT,
    )


@asynccontextmanager
async def running(told: CheckerSettings) -> AsyncIterator[httpx.AsyncClient]:
    app: Starlette = create(told)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = {SERVICE_TOKEN: TOKEN}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://checker", headers=headers
        ) as client:
            yield client


async def ask(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return await client.post("/internal/v1/pages", json={"url": url})


async def test_a_page_for_a_form(new_site: NewSite, database_url: str) -> None:
    site = await new_site({"/new": page(HTML), "/old": redirect("/new", "308 Permanent Redirect")})
    async with running(settings(database_url, site)) as client:
        answer = await ask(client, site.url("/old"))
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "url": site.url("/new"),
            "title": "A page",
            "description": "About it",
            "image": "https://cdn.example.net/i.png",
        }


@pytest.mark.parametrize(
    ("url", "status", "reason"),
    [
        ("http://127.0.0.1:9/", 422, "refused"),
        ("http://169.254.169.254/latest/meta-data/", 422, "refused"),
        ("http://user:secret@example.org/", 422, "refused"),
        ("file:///etc/passwd", 422, "refused"),
        ("x", 422, "refused"),
    ],
)
async def test_no_page_of_a_neighbour(database_url: str, url: str, status: int, reason: str) -> None:
    async with running(settings(database_url)) as client:
        answer = await ask(client, url)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_only_services_may_ask(new_site: NewSite, database_url: str) -> None:
    site = await new_site({"/": page(HTML)})
    async with running(settings(database_url, site)) as client:
        for headers in ({SERVICE_TOKEN: ""}, {SERVICE_TOKEN: "wrong"}):
            answer = await client.post("/internal/v1/pages", json={"url": site.url()}, headers=headers)
            assert answer.status_code in (401, 403)
        for body in ({}, {"url": ""}, {"url": "http://x/", "method": "POST"}, {"url": "a" * 9_000}):
            answer = await client.post("/internal/v1/pages", json=body)
            assert answer.status_code == 400
    assert site.connections == 0


async def test_one_more_page_than_there_are_places_is_a_429(new_site: NewSite, database_url: str) -> None:
    arrived = asyncio.Semaphore(0)
    go = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        arrived.release()
        await go.wait()
        writer.write(page(HTML))

    sites = [await new_site({"/": wait}, host=f"127.0.0.{n}") for n in (2, 3, 4)]
    async with running(settings(database_url, *sites)) as client:
        asking = [asyncio.create_task(ask(client, site.url())) for site in sites[:2]]
        for _ in asking:
            await arrived.acquire()
        refused = await ask(client, sites[2].url())
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        go.set()
        assert [answer.status_code for answer in await asyncio.gather(*asking)] == [200, 200]
        assert (await ask(client, sites[2].url())).status_code == 200


def test_pages_are_so_many_per_second() -> None:
    now = 0.0
    bucket = Bucket(2.0, 3.0, lambda: now)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    now = 1.0
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.5]


async def test_the_service_does_not_start_open(database_url: str) -> None:
    told = msgspec.structs.replace(
        settings(database_url), unsafe_test_reachable="127.0.0.1:80", unsafe_test_consent="yes"
    )
    with pytest.raises(InvalidSettings):
        create(told)


async def test_a_saved_link_is_checked_and_the_outcome_published(
    new_site: NewSite, database_url: str, broker: RunningNats, free_port: Callable[[], int]
) -> None:
    """From an event to an event; what a private address answers is nobody's business."""
    site = await new_site({"/": page(HTML)})
    secret = await new_site({"/": page(b"secret")}, host="127.0.0.5")
    owner = free_port()  # of this test's own
    told = settings(database_url, site, nats_url=broker.url("link-checker"))
    async with running(told), open_bus(broker.url("links"), "test") as links:
        jetstream = await links.connected()
        await save(links, owner, 1, site.url())
        await save(links, owner, 2, secret.url())
        subject = f"events.{envelope.partition(owner)}.{CHECK_FINISHED}"
        found: dict[int, CheckFinished] = {}
        connection = await asyncpg.connect(database_url)
        source = await jetstream.pull_subscribe(subject, durable=f"test-{owner}", stream=bus.EVENTS)
        while len(found) < 2:
            for message in await source.fetch(1, timeout=30):
                event = envelope.decode(message.data)
                outcome = envelope.read(event, CheckFinished)
                if outcome.owner_id == owner:
                    assert event.source == "/delinkcious/link-checker"
                    found[outcome.link_id] = outcome
                await message.ack()
        await connection.close()
        async with open_pool(told) as database:
            assert await CheckStore(database).health() == {"alive": 1, "unknown": 1}
    assert (found[1].health, found[1].title) == ("alive", "A page")
    assert (found[2].health, found[2].reason) == ("unknown", "refused")
    assert secret.connections == 0


async def save(links: bus.Bus, owner: int, link: int, url: str) -> None:
    """As the links service tells of a saved link."""
    now = dt.datetime.now(dt.UTC)
    saved = LinkSaved(link, owner, url, "", "", [], False, "unknown", now, now, 1)
    event = envelope.Event(
        specversion="1.0",
        id=f"00000000-0000-4000-8000-{owner:06d}{link:06d}",
        source="/delinkcious/links",
        type=LINK_SAVED,
        time=now,
        partitionkey=str(owner),
        sequence=str(link),
        data=envelope.data_of(saved),
    )
    jetstream = await links.connected()
    await jetstream.publish(envelope.subject(event), envelope.encode(event))
