"""The open loop: requests leave when they are due, however long earlier ones take, and time counts from then.

Arrivals are Poisson. Closed loops send less when answers are slow, and leave out just the requests that would
have waited longest (coordinated omission); here the wait of a request for its turn is a part of its latency.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from loadtest import accounts, world
from loadtest.accounts import Account, NotLetIn
from loadtest.exchange import Answer, Journey, Request
from loadtest.journeys import JOURNEYS
from loadtest.tally import Recorder, Sample
from loadtest.tracing import Tracing
from loadtest.world import World

T = TypeVar("T")

TIMEOUT_S = 10.0
LOOK_EVERY_S = 5.0
# At most so many requests are on their way; others wait, and their wait counts.
IN_FLIGHT = 2_000
# At most so many wait; what is due beyond is counted as `not sent`, or a sender's memory would be the limit.
WAITING = 5_000
ENTERING = 4
MAX_BODY_BYTES = 8 * 1024 * 1024


@dataclass
class Paused:
    """A journey that waits for its next turn, with what it was answered last."""

    journey: Journey
    answer: Answer


@dataclass
class Sender:
    """Sends journeys to one server; opened by `open_sender`."""

    session: aiohttp.ClientSession
    base: str
    tracing: Tracing
    dice: random.Random
    recorder: Recorder = field(default_factory=Recorder)
    around: World = field(default_factory=lambda: World([]))
    paused: dict[str, deque[Paused]] = field(default_factory=dict)
    pending: set[asyncio.Task[None]] = field(default_factory=set)
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def enter(self, count: int) -> None:
        """Make the accounts. Raises NotLetIn."""
        places = asyncio.Semaphore(ENTERING)

        async def one() -> Account:
            async with places:
                return await self.through(accounts.enter(world.bookmark_file(self.dice)))

        self.around = World(await asyncio.gather(*(one() for _ in range(count))))

    async def keep_signed_in(self) -> None:
        """Renew tokens before they end, outside of the count, until cancelled."""
        while True:
            for who in self.around.accounts:
                if who.is_due(time.time()):
                    with suppress(NotLetIn):  # the old token is still good: it is tried again
                        await self.through(accounts.renew(who))
            await asyncio.sleep(LOOK_EVERY_S)

    async def through(self, exchanges: Generator[Request, Answer, T]) -> T:
        """What comes of a few exchanges, outside of the count."""
        answer = None
        try:
            while True:
                request = next(exchanges) if answer is None else exchanges.send(answer)
                answer, _ = await self._exchange(request, {}, accounts.ENTER_TIMEOUT_S)
        except StopIteration as stop:
            found: T = stop.value
            return found

    async def run(self, shares: Mapping[str, float], rate: Callable[[float], float], seconds: float) -> None:
        """Send for so long, at `rate(elapsed seconds)` requests a second; `drain` waits for the last."""
        names, weights = list(shares), list(shares.values())
        began = time.monotonic()
        due = 0.0
        while True:
            due += self.dice.expovariate(max(rate(due), 1e-3))
            if due >= seconds:
                break
            if (ahead := began + due - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            else:
                self.recorder.late(-ahead)
            self._begin(self.dice.choices(names, weights)[0], began + due)
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))

    async def drain(self) -> None:
        """Wait for what is on its way; it has its timeout."""
        while self.pending:
            await asyncio.wait(self.pending, timeout=TIMEOUT_S)

    async def stop(self) -> None:
        """Give up what is on its way."""
        for task in self.pending:
            task.cancel()
        await asyncio.gather(*self.pending, return_exceptions=True)

    def _begin(self, journey: str, due: float) -> None:
        if len(self.pending) >= WAITING:
            at = time.time() + due - time.monotonic()
            self.recorder.add(Sample(journey, "any", at, TIMEOUT_S, "not sent", ok=False))
            return
        task = asyncio.create_task(self._step(journey, due))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def _step(self, kind: str, due: float) -> None:
        """The next request of a journey of this kind: of one that is paused, or of a new one."""
        paused, request = self._next(kind)
        at = time.time() + due - time.monotonic()
        headers, trace_id, traced = self.tracing.of(self.dice)
        deadline = due + TIMEOUT_S
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self.places.acquire()
        except TimeoutError:
            self.recorder.add(Sample(kind, request.name, at, TIMEOUT_S, "timeout", ok=False))
            return
        try:
            began = time.monotonic()
            answer, outcome = await self._exchange(request, headers, deadline - began)
        finally:
            self.places.release()
        took = time.monotonic() - due
        sample = Sample(kind, request.name, at, took, outcome, answer.ok, trace_id, began - due, traced)
        self.recorder.add(sample)
        if answer.ok:
            paused.answer = answer
            self.paused[kind].append(paused)
        else:
            paused.journey.close()

    def _next(self, kind: str) -> tuple[Paused, Request]:
        waiting = self.paused.setdefault(kind, deque())
        while waiting:
            paused = waiting.popleft()
            try:
                return paused, paused.journey.send(paused.answer)
            except StopIteration:
                continue
        begun = JOURNEYS[kind](self.around.somebody(self.dice), self.around, self.dice)
        return Paused(begun, Answer(0)), next(begun)

    async def _exchange(
        self, request: Request, headers: Mapping[str, str], within_s: float
    ) -> tuple[Answer, str]:
        """The answer, and its outcome as it is counted."""
        try:
            async with asyncio.timeout(max(within_s, 0.001)):
                async with self.session.request(
                    request.method,
                    URL(self.base + request.path, encoded=True),
                    headers={**request.headers, **headers},
                    data=request.body,
                    allow_redirects=False,
                ) as response:
                    body = bytearray()
                    async for chunk in response.content.iter_any():
                        body += chunk
                        if len(body) > MAX_BODY_BYTES:
                            break
                    return Answer(response.status, bytes(body)), str(response.status)
        except TimeoutError:
            return Answer(0), "timeout"
        except (aiohttp.ClientError, OSError, ssl.SSLError):
            return Answer(0), "disconnected"


def session(base: str, trust: ssl.SSLContext | None, source: str | None) -> aiohttp.ClientSession:
    """A client with as many connections as there may be requests; no proxy of the environment is asked."""
    secure = urlsplit(base).scheme == "https"
    connector = aiohttp.TCPConnector(
        limit=IN_FLIGHT,
        ssl=trust if secure and trust is not None else True,
        local_addr=(source, 0) if source else None,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),  # each exchange has its own
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": f"delinkcious-load {secrets.token_hex(4)}"},
    )
