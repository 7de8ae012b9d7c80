"""The table that pages are written in: one route per path, with what answers GET and what answers POST.

A handler is `async def handler(visit) -> Response`. Whatever it raises becomes a page that says so, in the
one place below; a sign-in that is missing or over becomes the way to sign in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from urllib.parse import urlencode

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.kit import deadline, http
from services.kit.endpoint import DEADLINE_S
from services.kit.errors import InternalError, MethodNotAllowed, Problem, Unauthenticated, note
from services.kit.serving.arguments import path_arguments, routed
from services.web import forms
from services.web.failures import explain
from services.web.visit import FORM_TOKEN, SESSION, SignInNeeded, Visit

Handler = Callable[[Visit], Awaitable[Response]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Page:
    """ASGI: one path.

    `public`: strangers are let in. `streamed`: the body of a POST is left to the handler, which checks the
    form token itself; such a request takes none of the places of those that are answered at once.
    """

    get: Handler | None = None
    post: Handler | None = None
    public: bool = False
    streamed: bool = False
    deadline_s: float = DEADLINE_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        running = request.app.state.kit.running
        visit = Visit(request, running.deps)
        try:
            async with deadline.deadline(self.deadline_s):
                headers = request.headers
                http.pass_on(headers)
                response = await self._answer(visit, nullcontext() if self.streamed else running.admission)
        except ClientDisconnect:
            raise
        except Problem as error:
            response = failed(visit, error)
        except Exception as error:
            # The boundary of the process: whatever it was, the reader learns the trace id and no more.
            _log.exception("unhandled error")
            unknown = InternalError()
            unknown.__cause__ = error
            response = failed(visit, unknown)
        visit.finish(response)
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, visit: Visit, place: nullcontext[None]) -> Response:
        method = visit.request.method
        handler = {"GET": self.get, "HEAD": self.get, "POST": self.post}.get(method)
        if handler is None:
            offered = ("GET, HEAD", self.get), ("POST", self.post)
            raise MethodNotAllowed(headers={"allow": ", ".join(name for name, does in offered if does)})
        path_arguments(visit.request.scope)
        await visit.identify()
        if not self.public and visit.session is None:
            raise SignInNeeded("sign in first")
        if method == "POST":
            visit.check_origin()
            if not self.streamed:
                visit.form = await forms.read(visit.request)
                visit.check_form_token(visit.form.text(FORM_TOKEN))
        async with place:
            return await handler(visit)


def page(
    path: str,
    *,
    get: Handler | None = None,
    post: Handler | None = None,
    public: bool = False,
    streamed: bool = False,
    deadline_s: float = DEADLINE_S,
) -> Route:
    """A route of the pages."""
    served = Page(get=get, post=post, public=public, streamed=streamed, deadline_s=deadline_s)
    return Route(routed(path), served)


def failed(visit: Visit, error: Problem) -> Response:
    """The page that says what went wrong."""
    note(error)
    if isinstance(error, Unauthenticated):
        return _sign_in(visit)
    title, sentence = explain(error)
    template = "parts/error.html" if visit.is_partial else "error.html"
    response = visit.render(template, error.status, title=title, sentence=sentence, status=error.status)
    response.headers.update(error.headers)
    return response


def _sign_in(visit: Visit) -> Response:
    """To the sign-in, and back here afterwards if that is a page to read."""
    if visit.session is not None:
        visit.set_cookie(SESSION, "", 0)
    reading = visit.request.method in ("GET", "HEAD") and not visit.is_partial
    back = urlencode({"next": visit.here}) if reading else ""
    return visit.redirect(
        f"/sign-in?{back}" if back else "/sign-in", "" if reading else "Please sign in again."
    )
