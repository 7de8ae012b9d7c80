"""ASGI for a route of another program's interface: bounds, problems in its form, CORS for extensions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.kit import deadline, http
from services.kit.errors import InternalError, PayloadTooLarge, Problem, Unauthenticated, note
from services.kit.serving.operation import Running
from services.web.deps import Deps
from services.web.programs.credentials import Credentials
from services.web.programs.identities import Caller

# A note of 65,536 characters, each written as nine, and the rest.
BODY_LIMIT_BYTES = 1024 * 1024
DEADLINE_S = 10.0
METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
ALLOWED_HEADERS = "authorization, content-type, accept"
PREFLIGHT_MAX_AGE_S = 7_200

# Pages of browser extensions; an ordinary page is none of them and gets no permission.
_EXTENSION = re.compile(r"(?:moz|chrome|safari-web)-extension://[A-Za-z0-9-]{1,64}")

Handler = Callable[[Request], Awaitable[Response]]
Render = Callable[[Problem], Response]


class Front:
    """A handler made a route; `render` is how its interface says what went wrong."""

    def __init__(self, handler: Handler, render: Render) -> None:
        self._handler = handler
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = is_extension(headers)
        if scope["method"] == "OPTIONS":
            await _preflight(origin if allowed else None)(scope, receive, send)
            return
        response = await self._answer(scope, receive, headers)
        response.headers.add_vary_header("Origin")
        response.headers.setdefault("cache-control", "no-store")
        if allowed:
            response.headers["access-control-allow-origin"] = origin
        await response(scope, receive, _without_body(send) if scope["method"] == "HEAD" else send)

    async def _answer(self, scope: Scope, receive: Receive, headers: Headers) -> Response:
        running: Running = scope["app"].state.kit.running
        seconds = deadline.from_header(headers.get(deadline.HEADER), DEADLINE_S)
        try:
            async with deadline.deadline(seconds):
                http.pass_on(headers)
                request = Request(scope, _limited(receive, headers))
                # Not before: who sends slowly must not take the place of those who have sent.
                await request.body()
                async with running.admission:
                    return await self._handler(request)
        except Problem as problem:
            note(problem)
            return self._render(problem)


def is_extension(headers: Headers) -> bool:
    """Whether a page of a browser extension sent this."""
    return _EXTENSION.fullmatch(headers.get("origin", "")) is not None


async def identify(request: Request, deps: Deps, shown: Credentials | None) -> Caller:
    """Who calls; raises Unauthenticated."""
    running: Running = request.app.state.kit.running
    if shown is None:
        raise Unauthenticated("credentials are needed")
    if running.verifier is None:
        raise InternalError
    caller = await deps.identities.caller(
        shown, running.verifier.principal, forwarded_for=request.headers.get("x-forwarded-for")
    )
    request.scope["principal_id"] = caller.user_id
    return caller


def _preflight(origin: str | None) -> Response:
    headers = {"allow": METHODS, "vary": "Origin"}
    if origin is not None:
        headers |= {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": ALLOWED_HEADERS,
            "access-control-max-age": str(PREFLIGHT_MAX_AGE_S),
        }
    return Response(status_code=204, headers=headers)


def _limited(receive: Receive, headers: Headers) -> Receive:
    """`receive`, which raises PayloadTooLarge for a body beyond the limit."""
    left = BODY_LIMIT_BYTES
    declared = headers.get("content-length", "0")
    too_large = PayloadTooLarge(f"at most {BODY_LIMIT_BYTES} bytes")

    async def receive_limited() -> Message:
        nonlocal left
        if len(declared) > 19 or (declared.isdigit() and int(declared) > BODY_LIMIT_BYTES):
            raise too_large
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large
        return message

    return receive_limited


def _without_body(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headers_only
