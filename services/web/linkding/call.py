"""One call of this interface: who makes it, what it sends, and how it is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.kit.errors import BadRequest, NotFound, UnsupportedMediaType
from services.links.client import LinksClient
from services.web.deps import Deps, deps_of
from services.web.linkding import answers
from services.web.linkding.fields import Body, InvalidFields, from_form
from services.web.programs import credentials
from services.web.programs.front import identify
from services.web.programs.identities import Caller
from services.web.programs.limits import USUAL

USUAL_LIMIT, MOST = 100, 5_000
MAX_OFFSET = 2**31 - 1
MAX_FIELDS = 1_000
# Elements that are read at a time.
PAGE = 500
JSON = "application/json"

# A part of a list from an offset on, and how many there are in all; an empty part is the end.
Read = Callable[[int, int], Awaitable[tuple[int, Sequence[dict[str, Any]]]]]


@dataclass(frozen=True)
class Call:
    """What a handler works with; `caller` is None where anybody may call and nobody said who."""

    request: Request
    caller: Caller | None

    @property
    def deps(self) -> Deps:
        return deps_of(self.request)

    @property
    def me(self) -> Caller:
        assert self.caller is not None  # noqa: S101 - only what anybody may call has none
        return self.caller

    @property
    def links(self) -> LinksClient:
        return self.deps.links(self.me.token)

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    def given(self, name: str) -> str:
        """A parameter of the query without what no text can hold; empty when it is absent."""
        return self.query.get(name, "").replace("\0", "").strip()

    @property
    def number(self) -> int:
        """The id in the path; raises NotFound for what is none."""
        text = self.request.path_params["number"]
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) > 0):
            raise NotFound
        return int(text)

    async def body(self) -> Body:
        """The object that was sent; raises BadRequest, UnsupportedMediaType, InvalidFields."""
        content = await self.request.body()
        media = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media == JSON or not (content or media):
            return _object(content)
        if media in ("application/x-www-form-urlencoded", "multipart/form-data"):
            return await _form(self.request)
        raise UnsupportedMediaType(f'Unsupported media type "{media[:100]}" in request.')

    @cached_property
    def place(self) -> tuple[int, int]:
        """`limit` and `offset` of a list."""
        limit, offset = _number(self.given("limit")), _number(self.given("offset"))
        return min(limit or USUAL_LIMIT, MOST), min(offset, MAX_OFFSET)

    async def page(self, read: Read) -> Response:
        """A part of a list, streamed where it is long; its beginning is read before anything is sent."""
        limit, offset = self.place
        count, first = await read(min(limit, PAGE), offset)
        base = answers.origin(self.request.headers, self.deps.settings.public_url)
        following, previous = answers.page_urls(
            base + "/" + self.request.scope["path"].lstrip("/"),
            self.request.scope["query_string"],
            count=count,
            limit=limit,
            offset=offset,
        )
        head = answers.page_head(count, following, previous)
        if len(first) >= min(limit, count - offset):
            return Response(f"{head}{_elements(first)}]}}", media_type=JSON)
        return StreamingResponse(_pages(head, first, read, limit, offset), media_type=JSON)


async def call_of(request: Request, *, scope: str, anybody: bool = False) -> Call:
    """The call that a request makes, counted; raises Unauthenticated, TooManyRequests, Forbidden."""
    shown = credentials.from_authorization(request.headers.get("authorization"), schemes=("token", "bearer"))
    if anybody and "authorization" not in request.headers:
        return Call(request, None)
    deps = deps_of(request)
    caller = await identify(request, deps, shown)
    deps.limits.spend(USUAL, ("linkding", caller.user_id))
    caller.require(scope)
    return Call(request, caller)


def answer(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def done() -> Response:
    """204: neither a body nor a type."""
    return Response(status_code=204)


async def _pages(
    head: str, part: Sequence[dict[str, Any]], read: Read, limit: int, offset: int
) -> AsyncIterator[bytes]:
    sent, between = 0, ""
    while part:
        yield f"{head}{between}{_elements(part)}".encode()
        head, between, sent = "", ",", sent + len(part)
        if sent >= limit:
            break
        _, part = await read(min(limit - sent, PAGE), offset + sent)
    yield f"{head}]}}".encode()


def _elements(part: Sequence[dict[str, Any]]) -> str:
    return msgspec.json.encode(part).decode()[1:-1]


def _number(text: str) -> int:
    """A number above 0; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def _object(content: bytes) -> Body:
    try:
        body = msgspec.json.decode(content or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"JSON parse error - {error}") from error
    if not isinstance(body, dict):
        raise InvalidFields(non_field_errors="Invalid data. Expected a dictionary.")
    return body


async def _form(request: Request) -> Body:
    body: dict[str, Any] = {}
    try:
        async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
            body |= {
                name: from_form(name, value) for name, value in form.multi_items() if isinstance(value, str)
            }
            if "tag_names" in form:
                body["tag_names"] = [value for value in form.getlist("tag_names") if isinstance(value, str)]
    except Exception as error:
        raise BadRequest("the form cannot be read") from error
    return body
