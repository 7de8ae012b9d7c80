"""Live news: how many streams one may have, and when an open one ends. What is new is a test's to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message

from services.kit.settings import Secret
from services.web import streams
from services.web.news import News, NewsItem
from services.web.sign_ins import ASKED_EVERY_S
from tests.integration.web.conftest import PASSWORD, Browser, NewBrowser
from tests.integration.web.test_revoking import later
from tests.web_stack import NOW, Stack

pytestmark = pytest.mark.anyio

ITEM = NewsItem(
    link_id=1, owner_id=2, username="bob", url="https://a.example/", title="A", note="", tags=[], saved_at=NOW
)


@dataclass
class Reader:
    """One stream, read as it comes; it stays until it is told to go."""

    stack: Stack
    path: str
    headers: dict[str, str]
    sent: list[Message] = field(default_factory=list)
    _going: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
            "client": ("192.0.2.1", 1),
            "server": ("pages.example", 443),
        }
        await self.stack.web(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self._going.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        # As slow as a socket that is full: others run meanwhile.
        await asyncio.sleep(0)
        self.sent.append(dict(message))

    def go(self) -> None:
        self._going.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


NewReader = Callable[[Browser], Reader]


@pytest.fixture
async def new_reader(stack: Stack) -> AsyncGenerator[NewReader, None]:
    made: list[tuple[Reader, asyncio.Task[None]]] = []

    def begin(browser: Browser) -> Reader:
        cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
        reader = Reader(stack, "/news/stream", {"cookie": cookies, "host": "pages.example"})
        made.append((reader, asyncio.create_task(reader.read())))
        return reader

    yield begin
    for reader, _ in made:
        reader.go()
    await asyncio.gather(*(task for _, task in made))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[NewsItem]:
    """What a test puts here is news to everybody who reads."""
    queue: asyncio.Queue[NewsItem] = asyncio.Queue()

    async def watch(*_: object, **__: object) -> AsyncGenerator[NewsItem, None]:
        while True:
            yield await queue.get()

    monkeypatch.setattr(News, "watch", watch)
    return queue


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - whatever it is, a test waits for it; pytest has the limit
        await asyncio.sleep(0.005)


def has_ended(reader: Reader) -> bool:
    return bool(reader.sent) and reader.sent[-1].get("more_body", True) is False


async def test_a_burst_of_streams_is_counted_as_one_after_the_other(
    ann: Browser, new_browser: NewBrowser, new_reader: NewReader, fresh: asyncio.Queue[NewsItem], stack: Stack
) -> None:
    readers = [new_reader(ann) for _ in range(streams.EACH + 8)]
    await until(lambda: all(reader.status for reader in readers))
    statuses = sorted(reader.status for reader in readers)
    assert statuses == [200] * streams.EACH + [429] * 8
    bob = await new_browser().sign_up()
    other = new_reader(bob)
    await until(lambda: bool(other.status))
    assert other.status == 200
    for reader in (*readers, other):
        reader.go()
    counted = stack.web.state.kit.running.deps.streams._open
    await until(lambda: not counted)


async def test_after_signing_out_nothing_more_is_sent(
    ann: Browser, new_reader: NewReader, fresh: asyncio.Queue[NewsItem]
) -> None:
    reader = new_reader(ann)
    fresh.put_nowait(ITEM)
    await until(lambda: "https://a.example/" in reader.text)
    await ann.post("/sign-out", {})
    before = reader.text
    fresh.put_nowait(ITEM)
    await until(lambda: has_ended(reader))
    assert reader.text == before


async def sign_out(browser: Browser, _: Any) -> None:
    await browser.post("/sign-out", {})


async def end_elsewhere(browser: Browser, deps: Any) -> None:
    elsewhere = await deps.users.sign_in(browser.name, Secret(PASSWORD))
    await deps.users.end_other_sessions(elsewhere.access_token)
    later(deps.sessions._sign_ins, ASKED_EVERY_S)


@pytest.mark.parametrize("end", [sign_out, end_elsewhere])
async def test_a_stream_without_news_ends_with_its_session(
    ann: Browser,
    new_reader: NewReader,
    fresh: asyncio.Queue[NewsItem],
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    end: Any,
) -> None:
    monkeypatch.setattr(streams, "ALIVE_EVERY_S", 0.02)
    reader = new_reader(ann)
    await until(lambda: ": alive" in reader.text)
    assert not has_ended(reader)
    await end(ann, stack.web.state.kit.running.deps)
    await until(lambda: has_ended(reader))
