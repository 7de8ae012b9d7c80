"""A constant load of everything people do, through the edge: what failed, and how long answers took."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Literal

import httpx

from tests.e2e.installation import Account, Installation

RATE = 100.0  # requests a second, sent at their time however long the answers take
CONNECTIONS = 8  # that are kept alive; each has a tenth of a second between its requests
ON_A_NEW_ONE = 5  # every fifth request opens a connection of its own
WRITERS, READERS = 4, 2  # in turn; one alone would wait for his own locks, and meet his own limits
ANSWERED_WITHIN_S = 30.0
ENDED_WITHIN_S = 120.0
# With an Idempotency-Key a save may be sent until it is acknowledged.
AGAIN_AFTER_S = 0.05
GIVEN_UP_AFTER_S = 60.0

Who = Literal["writer", "reader", "nobody"]


@dataclass(frozen=True)
class Deed:
    """One kind of request; `passes` are the services that it goes through."""

    name: str
    method: str
    path: str
    who: Who
    expected: int
    passes: str


SAVE = Deed("save", "POST", "/api/v1/links", "writer", 201, "links")
LIST = Deed("list", "GET", "/api/v1/links?limit=20", "writer", 200, "links")
SEARCH = Deed("search", "GET", "/api/v1/links/search?q=page", "writer", 200, "links")
NEWS = Deed("news", "GET", "/api/v1/news", "reader", 200, "web, news")
FOLLOWING = Deed("following", "GET", "/api/v1/following", "reader", 200, "social-graph")
ME = Deed("account", "GET", "/api/v1/users/me", "reader", 200, "users")
FEED = Deed("feed", "GET", "/feeds/people/{writer}/links.atom", "nobody", 200, "web, users, links")
# In the order in which they are sent, again and again.
DEEDS: Sequence[Deed] = (LIST, SAVE, SEARCH, LIST, NEWS, ME, SAVE, FEED, LIST, FOLLOWING, SAVE, NEWS)


@dataclass(frozen=True)
class Answer:
    """What came of a request: `outcome` is its status, or the error of its connection."""

    deed: Deed
    sent_at: float
    seconds: float
    outcome: str
    fresh: bool

    @property
    def failed(self) -> bool:
        return self.outcome != str(self.deed.expected)

    def __str__(self) -> str:
        return f"{self.deed.name}{' on a new connection' if self.fresh else ''}: {self.outcome}"


@dataclass
class Load:
    """The answers so far, and the addresses whose save was acknowledged or was never to be."""

    writers: list[Account]
    readers: list[Account]
    answers: list[Answer] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def between(self, began: float, ended: float) -> list[Answer]:
        """Those whose request was sent then (`time.monotonic`)."""
        return [answer for answer in list(self.answers) if began <= answer.sent_at < ended]

    def succeeded_since(self, moment: float) -> int:
        return sum(not answer.failed for answer in list(self.answers) if answer.sent_at >= moment)


def p99_ms(answers: Sequence[Answer]) -> float:
    ordered = sorted(answer.seconds for answer in answers)
    return ordered[math.ceil(0.99 * len(ordered)) - 1] * 1000 if ordered else 0.0


def statuses(answers: Sequence[Answer]) -> dict[str, int]:
    """How often each status, or error of a connection, was the answer of a request that failed."""
    return dict(Counter(answer.outcome for answer in answers if answer.failed).most_common())


def failures(answers: Sequence[Answer]) -> Counter[str]:
    """The same by what was asked for."""
    return Counter(str(answer) for answer in answers if answer.failed)


@contextmanager
def constant(installation: Installation, *, rate: float = RATE, saves_again: bool = False) -> Iterator[Load]:
    """Sends until the block is left. Nothing is retried, but with `saves_again` saves that failed.

    Those are sent again with their Idempotency-Key until they are acknowledged; what counts as their answer
    is the first one.
    """
    writers, readers = ([installation.account() for _ in range(count)] for count in (WRITERS, READERS))
    load = Load(writers, readers)
    with installation.edge() as edge:
        for reader in readers:
            for writer in writers:
                path = f"/api/v1/following/{writer.name}"
                edge.put(path, headers=reader.headers).raise_for_status()
    sending = _Sending(installation, load, rate, saves_again)
    thread = threading.Thread(target=sending.run, name="load")
    thread.start()
    try:
        yield load
    finally:
        sending.stopped.set()
        thread.join(ENDED_WITHIN_S)
        assert not thread.is_alive()
        assert sending.errors == []


class _Sending:
    """The thread that sends."""

    def __init__(self, installation: Installation, load: Load, rate: float, saves_again: bool) -> None:
        self.stopped = threading.Event()
        self.errors: list[BaseException] = []
        self._base, self._trusted = installation.url, installation.trusted
        self._load, self._rate, self._saves_again = load, rate, saves_again
        self._turns = {"writer": cycle(load.writers), "reader": cycle(load.readers)}

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.errors.append(error)
            raise

    async def _main(self) -> None:
        async with AsyncExitStack() as opened:
            kept = [await opened.enter_async_context(self._client(1)) for _ in range(CONNECTIONS)]
            fresh = await opened.enter_async_context(self._client(0))
            began = time.monotonic()
            async with asyncio.TaskGroup() as requests:
                for number in count():
                    if self.stopped.is_set():
                        return
                    new = number % ON_A_NEW_ONE == 0
                    client = fresh if new else kept[number % CONNECTIONS]
                    requests.create_task(self._send(client, DEEDS[number % len(DEEDS)], new))
                    await asyncio.sleep(began + (number + 1) / self._rate - time.monotonic())

    def _client(self, kept: int) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=kept)
        return httpx.AsyncClient(
            base_url=self._base,
            verify=self._trusted,
            limits=limits,
            trust_env=False,
            timeout=ANSWERED_WITHIN_S,
        )

    async def _send(self, client: httpx.AsyncClient, deed: Deed, fresh: bool) -> None:
        headers = {"connection": "close"} if fresh else {}
        if deed.who != "nobody":
            headers |= next(self._turns[deed.who]).headers
        url, body = "", None
        if deed is SAVE:
            headers["idempotency-key"] = uuid.uuid4().hex
            url = f"https://example.org/{uuid.uuid4()}"
            body = {"url": url, "title": "A page"}
        request = client.build_request(
            deed.method, deed.path.format(writer=self._load.writers[0].name), headers=headers, json=body
        )
        began = time.monotonic()
        outcome = await _outcome(client, request)
        answer = Answer(deed, began, time.monotonic() - began, outcome, fresh)
        self._load.answers.append(answer)
        if deed is SAVE:
            await self._until_acknowledged(client, request, url, answer)

    async def _until_acknowledged(
        self, client: httpx.AsyncClient, request: httpx.Request, url: str, answer: Answer
    ) -> None:
        deadline = time.monotonic() + GIVEN_UP_AFTER_S
        outcome = answer.outcome
        while outcome != str(SAVE.expected):
            if not self._saves_again or time.monotonic() > deadline:
                self._load.given_up.append(url)
                return
            await asyncio.sleep(AGAIN_AFTER_S)
            outcome = await _outcome(client, request)
        self._load.acknowledged.append(url)


async def _outcome(client: httpx.AsyncClient, request: httpx.Request) -> str:
    try:
        return str((await client.send(request)).status_code)
    except httpx.TransportError as error:
        return type(error).__name__ if not str(error) else f"{type(error).__name__} ({error})"
