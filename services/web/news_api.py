"""News for programs: a page of them as JSON, and each new one as it comes (server-sent events)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import Forbidden, MethodNotAllowed, TooManyRequests
from services.kit.page import Page
from services.web.deps import Deps, deps_of
from services.web.news import NewsItem
from services.web.streams import Events, event, last_position

MAX_LIMIT = 100


class NewsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 20
    cursor: str | None = None


class Caller(msgspec.Struct, frozen=True):
    authorization: str = ""

    @property
    def token(self) -> str:
        """The access token, which was verified before."""
        return self.authorization.partition(" ")[2]


async def list_news(deps: Deps, principal: Principal, query: NewsQuery, headers: Caller) -> Page[NewsItem]:
    """What those whom the caller follows have saved, newest first; as it comes: `/api/v1/news/stream`."""
    return await deps.news.page(headers.token, limit=query.limit, cursor=query.cursor)


async def stream(request: Request) -> Response:
    """Each item as it comes, an `item` event with the JSON that the list has."""
    if request.method != "GET":
        raise MethodNotAllowed(headers={"allow": "GET"})
    authorization = request.headers.get("authorization")
    verifier = request.app.state.kit.running.verifier
    principal = await verifier.principal(authorization)
    if "read" not in principal.scopes:
        raise Forbidden("the token lacks the scope `read`")
    deps = deps_of(request)

    async def events() -> Events:
        token = (authorization or "").partition(" ")[2]
        async for item in deps.news.watch(token, after=last_position(request)):
            yield event("item", msgspec.json.encode(item).decode(), item.position)

    async def may_read() -> None:
        # Until the token has expired.
        await verifier.principal(authorization)

    return deps.streams.response(request, principal.user_id, events(), may_read)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/news",
        handler=list_news,
        access=Access.READ,
        raises=(TooManyRequests,),
        tag="news",
    ),
)
ROUTES = [Route("/api/v1/news/stream", stream)]
