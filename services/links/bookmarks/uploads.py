"""Files that are received: how many, how slowly, and how much of the disk they may take."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO

from services.kit.errors import BadRequest, Unavailable

from .messages import STALLED_S

# From the end of the grace on a file must have come at this rate on average: less than any modem brings.
GRACE_S = STALLED_S
MIN_BYTES_PER_S = 1024
# What is held in memory of a file that is received, twice while it is put together.
BLOCK_BYTES = 1 << 18
BEAT_EVERY_S = 1.0
RETRY_AFTER_S = 5.0
# The pod's temporary disk has 1 GiB, of which reading needs some. A file's first bytes are always given, so
# that a few large ones hold up no small one; beyond them all files of the process share the rest.
SMALL_FILE_BYTES = 2 << 20
LARGE_FILES_BYTES = 512 << 20

Beat = Callable[[int], Awaitable[None]]


class Uploads:
    """The received files of this process: at most `places`, each until its import ends."""

    def __init__(self, *, places: int) -> None:
        self._free = places
        self._free_bytes = LARGE_FILES_BYTES

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[Upload]:
        """A file to receive into; raises Unavailable when all places are taken."""
        if self._free < 1:
            raise Unavailable("other imports are received, try again soon", retry_after_s=RETRY_AFTER_S)
        self._free -= 1
        upload = None
        try:
            # Without a name: gone with the last that holds it open, however this process ends.
            with tempfile.TemporaryFile() as file:
                upload = Upload(self, file)
                yield upload
        finally:
            self._free += 1
            self._free_bytes += upload.large_bytes if upload else 0

    def take(self, count: int) -> None:
        """Let a file grow by so many bytes beyond a small one's; raises Unavailable when the disk is full."""
        if count > self._free_bytes:
            raise Unavailable("other large files are imported, try again soon", retry_after_s=RETRY_AFTER_S)
        self._free_bytes -= count


class Upload:
    """One file: its SHA-256 and its length so far."""

    def __init__(self, uploads: Uploads, file: BinaryIO) -> None:
        self._uploads = uploads
        self.file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.large_bytes = 0

    @property
    def content(self) -> bytes:
        return self._digest.digest()

    async def receive(self, body: AsyncIterator[bytes], beat: Beat) -> None:
        """Keep all of `body`; `beat` is told the size now and then.

        Raises BadRequest (too slow), Unavailable (the disk is needed by others).
        """
        beat_at = time.monotonic()
        async for block in _blocks(body):
            large = max(0, self.size + len(block) - SMALL_FILE_BYTES)
            self._uploads.take(large - self.large_bytes)
            self.large_bytes = large
            await asyncio.to_thread(self._keep, block)
            self.size += len(block)
            if time.monotonic() - beat_at > BEAT_EVERY_S:
                beat_at = time.monotonic()
                await beat(self.size)
        await asyncio.to_thread(self.file.flush)

    def _keep(self, block: bytes) -> None:
        self._digest.update(block)
        self.file.write(block)


async def _blocks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in pieces worth a write each; a slow one in those of a second, for the sake of the lease."""
    loop = asyncio.get_running_loop()
    began_at = told_at = loop.time()
    pieces: list[bytes] = []
    size = total = 0
    while True:
        # Nothing for as long as the grace, or too little on average since the beginning.
        until = min(loop.time() + GRACE_S, began_at + max(GRACE_S, total / MIN_BYTES_PER_S))
        try:
            async with asyncio.timeout_at(until):
                piece = await anext(body, None)
        except TimeoutError as error:
            raise BadRequest(
                f"the file came too slowly: {total} bytes in {loop.time() - began_at:.0f} s,"
                f" at least {MIN_BYTES_PER_S} a second are needed"
            ) from error
        if piece:
            pieces.append(piece)
            size += len(piece)
            total += len(piece)
        late = loop.time() - told_at > BEAT_EVERY_S
        if pieces and (piece is None or size >= BLOCK_BYTES or late):
            yield b"".join(pieces)
            pieces, size, told_at = [], 0, loop.time()
        if piece is None:
            return
