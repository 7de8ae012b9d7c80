"""Requests that move whole collections: imports and exports."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import BadRequest, NotFound, TooManyRequests
from services.kit.serving.downloads import Download

from .exports import Exports
from .imports import MAX_FILE_BYTES, Imports
from .messages import EXPORT_DEADLINE_S, IMPORT_DEADLINE_S, ExportQuery, Import
from .model import Options
from .reading import UnreadableFile
from .store import ImportRunning, KeyReused
from .writers import WRITERS

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
    return Download(deps.exports.file(principal.user_id, writer), writer.file_name, writer.media_type)


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
