"""From what a handler returns to a response: JSON, entity tags, and the empty ones."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from services.kit.endpoint import Created, NoContent, Reply, etag_matches
from services.kit.settings import reveal_secret

_encode = msgspec.json.Encoder(enc_hook=reveal_secret).encode


class Json(Response):
    """A value as JSON."""

    media_type = "application/json"

    def __init__(self, value: object, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(_encode(value), status, headers)


def respond(result: Any, status: int, request_headers: Headers, *, reading: bool) -> Response:
    """The response for a handler's result; `reading`: a GET, which an If-None-Match may cut short."""
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status_code=204)
    if isinstance(result, NoContent):
        return Response(status_code=204, headers=dict(result.headers))
    if isinstance(result, Created):
        headers = {"location": result.location} if result.location else {}
        return Json(result.value, 201, headers | _etag(result.etag))
    if isinstance(result, Reply):
        headers = dict(result.headers) | _etag(result.etag)
        known = request_headers.get("if-none-match")
        if reading and result.etag and known and etag_matches(known, result.etag, weak=True):
            return Response(status_code=304, headers=headers)
        return Json(result.value, result.status or status, headers)
    return Json(result, status)


def _etag(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"etag": f'"{etag}"'}
