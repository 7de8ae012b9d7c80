"""Requests that move whole collections: imports and exports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import BadRequest, NotFound, TooManyRequests

from .exports import Exports
from .imports import MAX_FILE_BYTES, Imports
from .messages import EXPORT_DEADLINE_S, IMPORT_DEADLINE_S, ExportQuery, Import
from .model import Options
from .reading import UnreadableFile
from .store import ImportRunning, KeyReused
from .writers import WRITERS

# A reader that does not take so many bytes in so many seconds is none: 2 KiB a second.
SENT_BYTES = 1 << 16
SEND_S = 30.0
_KEY_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Deps(Protocol):
    """What these handlers need of the service's dependencies."""

    @property
    def imports(self) -> Imports: ...

    @property
    def exports(self) -> Exports: ...


async def put_import(deps: Deps, principal: Principal, key: str, query: Options, request: Request) -> Import:
    """Import the bookmark file that is the body; the same key and file again goes on where it stopped.

    The answer is the report. A finished import's report is given again, and nothing is done twice.
    """
    length = request.headers.get("content-length")
    total_bytes = None if length is None else int(length)
    return await deps.imports.run(principal.user_id, _checked(key), query, request.stream(), total_bytes)


async def get_import(deps: Deps, principal: Principal, key: str) -> Import:
    """How far one of the caller's imports is, or its report."""
    return await deps.imports.progress(principal.user_id, _checked(key))


async def export_links(deps: Deps, principal: Principal, query: ExportQuery) -> Response:
    """All links of the caller as a bookmark file, as they were when it began."""
    writer = WRITERS[query.format]
    return _Streamed(
        deps.exports.file(principal.user_id, writer),
        headers={
            "content-type": writer.media_type,
            "content-disposition": f'attachment; filename="{writer.file_name}"',
            "cache-control": "no-store",
        },
    )


class _Streamed(Response):
    """A body in pieces. What fails before the first is a proper answer; later, the body breaks off."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            piece = await anext(pieces)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await _send(piece, send)
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


def _checked(key: str) -> str:
    if not (0 < len(key) <= 64 and _KEY_CHARACTERS.issuperset(key)):
        raise BadRequest("a key is 1 to 64 letters, digits, `-`, `_`, `.`", parameter="key")
    return key


ENDPOINTS = (
    Endpoint(
        method="PUT",
        path="/api/v1/imports/{key}",
        handler=put_import,
        access=Access.WRITE,
        raises=(ImportRunning, KeyReused, UnreadableFile),
        body_limit_bytes=MAX_FILE_BYTES,
        deadline_s=IMPORT_DEADLINE_S,
        idempotent=False,  # the body is a stream; the import's own key does the same, and more
        tag="imports",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/imports/{key}",
        handler=get_import,
        access=Access.READ,
        raises=(NotFound,),
        tag="imports",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/exports",
        handler=export_links,
        access=Access.READ,
        raises=(TooManyRequests,),
        deadline_s=EXPORT_DEADLINE_S,
        tag="exports",
    ),
)
