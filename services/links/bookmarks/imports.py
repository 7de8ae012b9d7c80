"""An import from end to end: receive the file, read it, write its links batch by batch, report."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

from services.kit.errors import BadRequest, Unavailable

from .messages import STALLED_S, Import
from .model import Options
from .reader import Batch, Found, Reading
from .reading import UnreadableFile, read
from .store import Held, ImportStore, KeyReused

MAX_FILE_BYTES = 256 * 1024 * 1024
# What is held in memory of a file that is received.
BLOCK_BYTES = 1 << 20
BEAT_EVERY_S = 1.0
RETRY_AFTER_S = 5.0


class Imports:
    """The imports of this process: at most `places` at a time, each in bounded memory and disk space."""

    def __init__(self, store: ImportStore, *, places: int) -> None:
        self._store = store
        self._free = places

    async def run(
        self, owner_id: int, key: str, options: Options, body: AsyncIterator[bytes], total_bytes: int | None
    ) -> Import:
        """Import the file; with a key of before, go on where that one stopped.

        Raises ImportRunning, KeyReused, UnreadableFile, Unavailable (all places taken), BadRequest (the
        upload stalled).
        """
        async with (
            self._place(),
            self._held(owner_id, key, options, total_bytes) as (held, known, after, state),
        ):
            # Without a name: gone with the last that holds it open, however this process ends.
            with tempfile.TemporaryFile() as file:
                content, size = await self._receive(held, body, file, progress=state != "done")
                if known not in (None, content):
                    raise KeyReused("the import of this key has another content")
                if state != "done":
                    await self._store.received(held, content, size)
                    await self._write(held, file, options, after)
        return await self._store.get(owner_id, key)

    async def progress(self, owner_id: int, key: str) -> Import:
        return await self._store.get(owner_id, key)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._free < 1:
            raise Unavailable("other imports are running, try again soon", retry_after_s=RETRY_AFTER_S)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    @asynccontextmanager
    async def _held(
        self, owner_id: int, key: str, options: Options, total_bytes: int | None
    ) -> AsyncIterator[tuple[Held, bytes | None, int, str]]:
        held, row = await self._store.begin(owner_id, key, options, total_bytes)
        try:
            yield held, row["content"], row["last_place"], row["state"]
        except UnreadableFile as error:
            await self._store.end(held, str(error))
            raise
        finally:
            # Without the database the lease runs out by itself.
            with suppress(Unavailable):
                await self._store.release(held)

    async def _receive(
        self, held: Held, body: AsyncIterator[bytes], file: BinaryIO, *, progress: bool
    ) -> tuple[bytes, int]:
        """The SHA-256 and the length of what was received."""
        digest = hashlib.sha256()
        size, beat_at = 0, time.monotonic()
        async for block in _blocks(body):
            await asyncio.to_thread(_keep, file, block, digest)
            size += len(block)
            if progress and time.monotonic() - beat_at > BEAT_EVERY_S:
                beat_at = time.monotonic()
                await self._store.beat(held, "receiving", size)
        await asyncio.to_thread(file.flush)
        return digest.digest(), size

    async def _write(self, held: Held, file: BinaryIO, options: Options, after: int) -> None:
        beat_at = time.monotonic()
        async with read(file, options, after) as messages:
            async for message in messages:
                if isinstance(message, Batch):
                    await self._store.write(held, message.rows)
                elif isinstance(message, Found):
                    await self._store.read(held, message.contents)
                elif isinstance(message, Reading) and time.monotonic() - beat_at > BEAT_EVERY_S:
                    beat_at = time.monotonic()
                    await self._store.beat(held, "reading", message.bytes)
        await self._store.end(held)


def _keep(file: BinaryIO, block: bytes, digest: hashlib._Hash) -> None:
    digest.update(block)
    file.write(block)


async def _blocks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in pieces worth a write each; raises BadRequest when nothing comes for too long."""
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            async with asyncio.timeout(STALLED_S):
                piece = await anext(body, None)
        except TimeoutError as error:
            raise BadRequest(f"nothing was received for {STALLED_S:g} s") from error
        if piece:
            pieces.append(piece)
            size += len(piece)
        if pieces and (piece is None or size >= BLOCK_BYTES):
            yield b"".join(pieces)
            pieces, size = [], 0
        if piece is None:
            return
