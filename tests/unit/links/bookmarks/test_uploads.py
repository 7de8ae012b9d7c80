"""Slow senders and slow readers, and what they may hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from services.kit.errors import BadRequest, Unavailable
from services.kit.serving import downloads
from services.links.bookmarks import uploads
from services.links.bookmarks.uploads import Uploads

pytestmark = pytest.mark.anyio


async def forget(_size: int) -> None:
    pass


async def trickle(pause_s: float, piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece
        await asyncio.sleep(pause_s)


async def at_once(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_file_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "GRACE_S", 0.2)
    async with Uploads(places=1).upload() as upload:
        with pytest.raises(BadRequest, match=r"too slowly: [0-9]+ bytes"):
            async with asyncio.timeout(30):
                await upload.receive(trickle(0.05, b"x"), forget)


async def test_a_file_that_stops_coming_is_given_up_however_fast_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "GRACE_S", 0.2)
    async with Uploads(places=1).upload() as upload:
        with pytest.raises(BadRequest):
            async with asyncio.timeout(30):
                await upload.receive(trickle(60, b"x" * (1 << 20)), forget)


async def test_large_files_share_the_disk_and_small_ones_always_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SMALL_FILE_BYTES", 10)
    monkeypatch.setattr(uploads, "LARGE_FILES_BYTES", 100)
    places = Uploads(places=3)
    async with places.upload() as large:
        await large.receive(at_once(b"x" * 110), forget)
        async with places.upload() as small, places.upload() as other:
            await small.receive(at_once(b"x" * 10), forget)
            with pytest.raises(Unavailable):
                await other.receive(at_once(b"x" * 11), forget)
            with pytest.raises(Unavailable):
                async with places.upload():
                    pass
    async with places.upload() as large:
        await large.receive(at_once(b"x" * 60, b"x" * 50), forget)
        assert large.size == 110


async def test_an_export_that_is_not_taken_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "SEND_S", 0.05)
    ended = False

    async def file() -> AsyncGenerator[bytes, None]:
        nonlocal ended
        try:
            yield b"x" * (3 * downloads.SENT_BYTES)
        finally:
            ended = True

    sent: list[int] = []

    async def send(message: Message) -> None:
        if len(sent) == 2:
            await asyncio.Event().wait()
        sent.append(len(message.get("body", b"")))

    async def receive() -> Message:
        raise AssertionError

    with pytest.raises(ClientDisconnect):
        async with asyncio.timeout(30):
            await downloads.Download(file(), "links.html", "text/html")(
                {"type": "http", "method": "GET"}, receive, send
            )
    assert sent == [0, downloads.SENT_BYTES]
    assert ended
