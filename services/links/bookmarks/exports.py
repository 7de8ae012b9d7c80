"""The export: all links of an owner as a file, streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.kit.errors import Unavailable

from .store import ExportStore
from .writers import Writer, write

RETRY_AFTER_S = 5.0


class Exports:
    """The exports of this process: at most `places` at a time, since each holds a connection to its end."""

    def __init__(self, store: ExportStore, *, places: int) -> None:
        self._store = store
        self._free = places

    async def file(self, owner_id: int, writer: Writer) -> AsyncGenerator[bytes, None]:
        """The file in pieces; raises Unavailable when all places are taken."""
        if self._free < 1:
            raise Unavailable("other exports are running, try again soon", retry_after_s=RETRY_AFTER_S)
        self._free -= 1
        try:
            async with aclosing(self._store.pages(owner_id)) as pages:
                async for piece in write(writer, pages):
                    yield piece
        finally:
            self._free += 1
