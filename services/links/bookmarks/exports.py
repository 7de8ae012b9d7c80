"""The export: all links of an owner as a file, streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.links.places import Places

from .store import ExportStore
from .writers import Writer, write

# An owner's next export may wait for the one before, which mostly takes no longer.
LINE = 4
PATIENCE_S = 2.0
RETRY_AFTER_S = 5.0


class Exports:
    """The exports of this process: at most `places` at a time, since each holds a connection to its end.

    Of one owner only one: whoever reads slowly leaves the other places to others.
    """

    def __init__(self, store: ExportStore, *, places: int) -> None:
        self._store = store
        self._places = Places(
            "exports",
            most=places,
            each=1,
            line=LINE,
            patience_s=PATIENCE_S,
            retry_after_s=RETRY_AFTER_S,
        )

    async def file(self, owner_id: int, writer: Writer) -> AsyncGenerator[bytes, None]:
        """The file in pieces; raises TooManyRequests while one of the owner's runs or no place is free."""
        async with self._places.of(owner_id), aclosing(self._store.pages(owner_id)) as pages:
            async for piece in write(writer, pages):
                yield piece
