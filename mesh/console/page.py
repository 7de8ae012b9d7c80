"""The table that pages are written in: `async def handler(visit) -> Response`, failures in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mesh.console.deps import Deps
from mesh.console.errors import Unshown
from mesh.console.guard import NONCE
from mesh.console.rendering import render
from mesh.console.tools import Tool

MAX_PARAMETER_CHARACTERS = 500

_log = structlog.get_logger(__name__)


@dataclass
class Visit:
    """One request for a page."""

    request: Request
    deps: Deps
    tools: dict[str, Tool]

    @property
    def nonce(self) -> str:
        return str(getattr(self.request.state, NONCE))

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def is_partial(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def text(self, name: str, otherwise: str = "") -> str:
        """What was asked for, bounded."""
        return self.request.query_params.get(name, otherwise).strip()[:MAX_PARAMETER_CHARACTERS]

    def render(self, template: str, status: int = 200, /, **values: Any) -> Response:
        return HTMLResponse(render(template, visit=self, tools=self.tools, **values), status)


Handler = Callable[[Visit], Awaitable[Response]]


def page(path: str, handler: Handler) -> Route:
    """A route whose failures become a page that says so."""

    async def endpoint(request: Request) -> Response:
        deps: Deps = request.app.state.deps
        visit = Visit(request, deps, await deps.tools.all())
        try:
            return await handler(visit)
        except Unshown as error:
            return visit.render("failed.html", error.status, sentence=str(error))
        except HTTPException:
            raise
        except Exception:
            _log.exception("unhandled error", path=visit.path)
            return visit.render("failed.html", 500, sentence="This page failed; the console's log says why.")

    return Route(path, endpoint, methods=["GET"])


async def not_found(request: Request, _: Exception) -> Response:
    """For an address that no page has."""
    deps: Deps = request.app.state.deps
    visit = Visit(request, deps, await deps.tools.all())
    return visit.render("failed.html", 404, sentence="There is no such page.")
