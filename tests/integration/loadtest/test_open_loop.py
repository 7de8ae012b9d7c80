"""The open loop against a server that stalls: what was due meanwhile waits, and its wait is counted."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from loadtest import open_loop
from loadtest.accounts import Account
from loadtest.open_loop import Sender, session
from loadtest.tally import Row, Sample, Tally
from loadtest.tracing import FORCE, Tracing
from loadtest.world import World

pytestmark = pytest.mark.anyio

RATE, SECONDS = 100.0, 1.0
MANY = 30
PEOPLE = [Account("load-1", "access", "refresh", time.time() + 1e6)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is none of the things that are tried here."""
    monkeypatch.setattr(open_loop, "TIMEOUT_S", 60.0)


class Server:
    """Answers every request at once, but while it is stalled."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.at_once = self.most_at_once = 0
        self.open, self.many = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        if len(self.seen) == MANY:
            self.many.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        return web.json_response({"items": [], "next": None})

    async def stall(self) -> float:
        """Answer nothing until MANY wait; returns when that was."""
        self.open.clear()
        await self.many.wait()
        opened_at = time.time()
        self.open.set()
        return opened_at


@asynccontextmanager
async def sending(traced: float = 0.0) -> AsyncIterator[tuple[Server, Sender]]:
    """A server, and who sends to it."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with session(f"http://127.0.0.1:{port}", None, None) as client:
            dice = random.Random(1)  # noqa: S311 - chance for a test
            yield (
                server,
                Sender(client, f"http://127.0.0.1:{port}", Tracing(traced), dice, around=World(PEOPLE)),
            )
    finally:
        server.open.set()
        await runner.cleanup()


def counted(sender: Sender) -> Row:
    tally = Tally(0.0, 1e12)
    tally.add(sender.recorder.take(1.0, 0))
    return tally.total()


async def test_a_stall_is_in_the_latency_of_everything_that_was_due_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples: list[Sample] = []
    async with sending() as (server, sender):
        monkeypatch.setattr(sender.recorder, "add", samples.append)
        stalling = asyncio.create_task(server.stall())
        await sender.run({"reader": 1.0}, lambda _: RATE, SECONDS)
        await sender.drain()
        opened_at = await stalling
    meanwhile = [sample for sample in samples if sample.at < opened_at]
    # A closed loop of one connection would have had one such answer, and a quick one for every other.
    assert len(meanwhile) >= MANY
    for sample in meanwhile:
        assert sample.took_s >= (opened_at - sample.at) * 0.99


async def test_as_many_are_due_as_were_asked_for() -> None:
    async with sending() as (_, sender):
        await sender.run({"reader": 1.0}, lambda _: RATE, SECONDS)
        await sender.drain()
        found = counted(sender).count
    # Poisson: four standard deviations.
    assert abs(found - RATE * SECONDS) < 4 * (RATE * SECONDS) ** 0.5


async def test_what_is_on_its_way_and_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "WAITING", 20)
    async with sending() as (server, sender):
        sender.places = asyncio.Semaphore(5)
        server.open.clear()
        await sender.run({"reader": 1.0}, lambda _: RATE, SECONDS)
        assert len(sender.pending) == 20
        server.open.set()
        await sender.drain()
        total = counted(sender)
    assert server.most_at_once == 5
    assert total.outcomes["200"] == 20
    assert total.outcomes["not sent"] > 0
    assert total.count == sum(total.outcomes.values())


async def test_who_is_not_there_is_counted_and_so_is_who_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with session(base, None, None) as client:
            dice = random.Random(1)  # noqa: S311 - chance for a test
            sender = Sender(client, base, Tracing(0.0), dice, around=World(PEOPLE))
            await sender.run({"reader": 1.0}, lambda _: 30.0, 0.3)
            await sender.drain()
            assert set(counted(sender).outcomes) == {"disconnected"}
    monkeypatch.setattr(open_loop, "TIMEOUT_S", 0.2)
    async with sending() as (server, sender):
        server.open.clear()
        await sender.run({"reader": 1.0}, lambda _: 30.0, 0.3)
        await sender.drain()
        assert set(counted(sender).outcomes) == {"timeout"}


async def test_the_forced_share_is_exact_and_the_others_ask_not_to_be_traced() -> None:
    async with sending(traced=0.5) as (server, sender):
        await sender.run({"reader": 1.0}, lambda _: RATE, SECONDS)
        await sender.drain()
        total = counted(sender)
    forced = [request for request in server.seen if FORCE in request.headers]
    assert all(request.headers["traceparent"].endswith("-01") for request in forced)
    others = [request for request in server.seen if FORCE not in request.headers]
    assert all(request.headers["traceparent"].endswith("-00") for request in others)
    assert 0 < total.traced == len(forced) < len(server.seen)
    ids = {request.headers["traceparent"][3:35] for request in server.seen}
    assert len(ids) == len(server.seen)


async def test_a_journey_goes_on_with_what_it_was_answered() -> None:
    async with sending() as (server, sender):
        server.open.clear()
        await sender.run({"saver": 1.0}, lambda _: RATE, 0.2)
        server.open.set()
        await sender.drain()
        begun = len(server.seen)
        assert {request.path for request in server.seen} == {"/api/v1/tags/suggestions"}
        await sender.run({"saver": 1.0}, lambda _: RATE, 0.05)
        await sender.drain()
    assert 0 < len(server.seen) - begun <= begun
    assert {request.path for request in server.seen[begun:]} == {"/api/v1/links"}
