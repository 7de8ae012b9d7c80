"""A file that is sent as it is made: what fails before its first byte is an answer, later it breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# A reader that does not take so many bytes in so many seconds is none: 2 KiB a second.
SENT_BYTES = 1 << 16
SEND_S = 30.0


class Download(Response):
    """`pieces` as an attachment."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], file_name: str, media_type: str) -> None:
        headers = {
            "content-type": media_type,
            "content-disposition": f'attachment; filename="{file_name}"',
            "cache-control": "no-store",
        }
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces
        self._first: bytes | None = None

    async def begin(self) -> Download:
        """Make the first piece; raises what goes wrong while the caller can still answer otherwise."""
        self._first = await anext(self._pieces, b"")
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            first = await anext(pieces, b"") if self._first is None else self._first
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await _send(first, send)
                async for piece in pieces:
                    await _send(piece, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(piece: bytes, send: Send) -> None:
    """Raises ClientDisconnect when the reader takes too long: it holds a place and a connection."""
    for start in range(0, len(piece), SENT_BYTES):
        body = piece[start : start + SENT_BYTES]
        try:
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError as error:
            raise ClientDisconnect from error
