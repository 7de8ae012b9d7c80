"""An import from end to end: receive the file, read it, write its links batch by batch, report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import BinaryIO

from services.kit.errors import Unavailable

from .messages import Import
from .model import Options
from .reader import Batch, Found, Reading
from .reading import UnreadableFile, read
from .store import Held, ImportStore, KeyReused
from .uploads import Uploads

MAX_FILE_BYTES = 256 * 1024 * 1024
BEAT_EVERY_S = 1.0
# How long a received file waits for its turn; shorter than the lease, which nothing renews meanwhile.
WAIT_S = 20.0
RETRY_AFTER_S = 5.0


class Imports:
    """The imports of this process, each in bounded memory and disk space.

    At most `uploads` files are held at a time, from their first byte on; of those, at most `places` are
    read and written, so that whoever sends slowly holds up nobody.
    """

    def __init__(self, store: ImportStore, *, places: int, uploads: int) -> None:
        self._store = store
        self._uploads = Uploads(places=uploads)
        self._places = asyncio.Semaphore(places)

    async def run(
        self, owner_id: int, key: str, options: Options, body: AsyncIterator[bytes], total_bytes: int | None
    ) -> Import:
        """Import the file; with a key of before, go on where that one stopped.

        Raises ImportRunning, KeyReused, UnreadableFile, Unavailable (all places taken), BadRequest (the
        upload is too slow).
        """
        async with (
            self._uploads.upload() as upload,
            self._held(owner_id, key, options, total_bytes) as (held, known, after, state),
        ):
            beat = partial(self._store.beat, held, "receiving")
            await upload.receive(body, beat)
            if known not in (None, upload.content):
                raise KeyReused("the import of this key has another content")
            if state != "done":
                await beat(upload.size)
                async with self._place():
                    await self._store.received(held, upload.content, upload.size)
                    await self._write(held, upload.file, options, after)
        return await self._store.get(owner_id, key)

    async def progress(self, owner_id: int, key: str) -> Import:
        return await self._store.get(owner_id, key)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WAIT_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable(
                "other imports are running, try again soon", retry_after_s=RETRY_AFTER_S
            ) from error
        try:
            yield
        finally:
            self._places.release()

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
