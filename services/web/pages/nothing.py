"""Where nothing is: a page for people, a problem document for programs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.kit.errors import NotFound
from services.web.page import Page
from services.web.visit import Visit


async def nothing(visit: Visit) -> Response:
    raise NotFound("no such page")


class _Nothing:
    """ASGI."""

    def __init__(self) -> None:
        self._page = Page(get=nothing, post=nothing, public=True, streamed=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = Request(scope).headers.get("accept", "")
        if "text/html" not in accepted or scope["path"].startswith(("/api/", "/internal/")):
            raise NotFound("no such page")
        await self._page(scope, receive, send)


ROUTES = [Route("/{path:path}", _Nothing())]
