"""Traffic for a running installation: steady requests, saves that are sent until acknowledged, and counts."""

from __future__ import annotations

import asyncio
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.e2e.installation import Account, Installation, Json, settings_of

PAGE = "/api/v1/links?limit=20"
ENDED_WITHIN_S = 120.0
GIVEN_UP_AFTER_S = 60.0
AGAIN_AFTER_S = 0.05
PASSING = frozenset((409, 429, 502, 503, 504))  # what a client is told to try again after
COUNT = re.compile(
    r'^http_server_request_duration_seconds_count\{method="GET",route="/api/v1/links",status="200"\} (\S+)$',
    re.MULTILINE,
)

NEWS, FOLLOWING = "/api/v1/news", "/api/v1/following"
DEEDS = (
    ("GET", PAGE),
    ("POST", "/api/v1/links"),
    ("GET", NEWS),
    ("GET", PAGE),
    ("GET", FOLLOWING),
    ("GET", PAGE),
)
READ_BY_READER = (NEWS, FOLLOWING)
RENEWED_AFTER_S = 300.0

Session = httpx.AsyncClient


@dataclass
class Tally:
    """What came of the requests: answers by status, and everything else by its error."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    @property
    def failures(self) -> dict[str, int]:
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}


@dataclass
class Saves:
    """The URLs whose save was acknowledged, and answers that no retry can mend."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    retries: int = 0


@contextmanager
def steady(installation: Installation, account: Account, *, rate: float) -> Iterator[Tally]:
    """`rate` requests a second, sent at their time however long the answers take; nothing is retried."""
    tally = Tally()

    async def send(session: Session) -> None:
        began = time.monotonic()
        try:
            outcome = str((await session.get(PAGE)).status_code)
        except httpx.TransportError as error:
            outcome = repr(error)
        session.cookies.clear()  # programs keep none
        tally.outcomes[outcome] += 1
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - began)

    async def send_at_their_time(session: Session, stopped: threading.Event) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            sent = 0
            while not stopped.is_set():
                requests.create_task(send(session))
                sent += 1
                await asyncio.sleep(began + sent / rate - time.monotonic())

    with _running(installation, account, send_at_their_time):
        yield tally


@contextmanager
def saving(
    installation: Installation, account: Account, *, writers: int = 4, again: frozenset[int] = PASSING
) -> Iterator[Saves]:
    """Saves one link after the other, each with an Idempotency-Key and until it is acknowledged.

    A save is sent again after an answer whose status is in `again`, and when the connection broke.
    """
    saves = Saves()

    async def save(session: Session) -> None:
        url, key = f"https://example.org/{uuid.uuid4()}", uuid.uuid4().hex
        deadline = time.monotonic() + GIVEN_UP_AFTER_S
        while time.monotonic() < deadline:
            try:
                answer = await session.post(
                    "/api/v1/links", json={"url": url}, headers={"idempotency-key": key}
                )
            except httpx.TransportError:
                pass  # whether it was saved is unknown: that is what the key is for
            else:
                if answer.is_success:
                    saves.acknowledged.append(url)
                    return
                if answer.status_code not in again:
                    saves.refused.append(f"{answer.status_code} {answer.text}")
                    return
            saves.retries += 1
            await asyncio.sleep(AGAIN_AFTER_S)
        saves.refused.append(f"{url}: not acknowledged within {GIVEN_UP_AFTER_S:g} s")

    async def write(session: Session, stopped: threading.Event) -> None:
        while not stopped.is_set():
            await save(session)

    async def write_all(session: Session, stopped: threading.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(writers):
                tasks.create_task(write(session, stopped))

    with _running(installation, account, write_all):
        yield saves


class Tokens:
    """Access tokens of accounts, renewed long before they end."""

    def __init__(self, installation: Installation, accounts: tuple[Account, ...]) -> None:
        self._installation = installation
        self._made = {account.name: (time.monotonic(), account.token) for account in accounts}
        self._lock = threading.Lock()

    def headers(self, account: Account) -> dict[str, str]:
        """Raises httpx.HTTPError or AssertionError when there is no new one, and the old one has ended."""
        with self._lock:
            made_at, token = self._made[account.name]
            if time.monotonic() > made_at + RENEWED_AFTER_S:
                token = self._installation.token(account.name)
                self._made[account.name] = (time.monotonic(), token)
        return {"authorization": f"Bearer {token}"}


@contextmanager
def everything(installation: Installation, *, rate: float) -> Iterator[Counter[str]]:
    """What people do, `rate` requests a second whatever comes of them: save, list, read news, look around."""
    writer, reader = installation.account(), installation.account()
    with installation.edge() as edge:
        edge.put(f"/api/v1/following/{writer.name}", headers=reader.headers).raise_for_status()
    outcomes: Counter[str] = Counter()
    # A token is good for ten minutes; this lasts longer.
    tokens = Tokens(installation, (writer, reader))

    async def send(session: Session, number: int) -> None:
        method, path = DEEDS[number % len(DEEDS)]
        account = reader if path in READ_BY_READER else writer
        body = {"url": f"https://example.org/{uuid.uuid4()}"} if method == "POST" else None
        try:
            headers = await asyncio.to_thread(tokens.headers, account)
            answer = await session.request(method, path, headers=headers, json=body)
            outcomes[str(answer.status_code)] += 1
        except (httpx.HTTPError, AssertionError) as error:
            outcomes[type(error).__name__] += 1

    async def send_at_their_time(session: Session, stopped: threading.Event) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            sent = 0
            while not stopped.is_set():
                requests.create_task(send(session, sent))
                sent += 1
                await asyncio.sleep(began + sent / rate - time.monotonic())

    with _running(installation, writer, send_at_their_time):
        yield outcomes


def served(pod: Json) -> int:
    """How many pages of links the process of this pod has answered, by its own metrics."""
    settings = settings_of(pod)
    with httpx.Client(trust_env=False) as machine:
        text = machine.get(f"http://{settings['HOST']}:{settings.get('METRICS_PORT', '9090')}/metrics").text
    found = COUNT.search(text)
    return int(float(found[1])) if found else 0


def all_links(edge: httpx.Client, account: Account) -> list[Json]:
    """Every link of an account, page by page."""
    found: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        page = edge.get("/api/v1/links", params=query, headers=account.headers).raise_for_status().json()
        found += page["items"]
        cursor = page["next"]
    return found


@contextmanager
def _running(
    installation: Installation, account: Account, work: Callable[[Session, threading.Event], Awaitable[None]]
) -> Iterator[None]:
    """Run `work` in a thread of its own until the block ends."""
    stopped = threading.Event()
    errors: list[BaseException] = []
    base, trusted = installation.url, installation.trusted

    async def main() -> None:
        limits = httpx.Limits(max_connections=None)
        async with Session(
            base_url=base, verify=trusted, headers=account.headers, limits=limits, trust_env=False, timeout=30
        ) as session:
            await work(session, stopped)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=run, name="traffic")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(ENDED_WITHIN_S)
        assert not thread.is_alive()
        assert errors == []
