"""HTTP: the span of a request that is served, and of one that is sent.

Neither an address's query nor a name in its path is recorded: people look for things there, and programs
send their tokens. A path is shown by its route, with the numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry.trace import Span, SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.recording import Recorder
from telemetry.serving import KNOWN_METHODS
from telemetry.traces import (
    TRACEPARENT,
    current_recorder,
    current_traceparent,
    ended,
    fail,
    serving,
    traceparent_of,
)

OTHER_METHOD = "_OTHER"
HIDDEN = "REDACTED"
MAX_HOST_CHARACTERS = 255

_PORTS = {"http": 80, "https": 443}


class Tracing:
    """ASGI: gives every request a trace context, and a span only when it is sampled and goes somewhere.

    `recorder` None: no spans. `ratio`: the share of requests without a traceparent that are sampled,
    a number or what gives it for each.
    `untraced`: paths that never get a span (probes).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        recorder: Recorder | None,
        ratio: float | Callable[[], float],
        untraced: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.recorder = recorder
        self.ratio = ratio if callable(ratio) else lambda: ratio
        self.untraced = frozenset(untraced)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        recorder = None if scope["path"] in self.untraced else self.recorder
        with serving("HTTP", _header(scope, b"traceparent"), recorder, self.ratio(), {}) as span:
            if span is None:
                await self.app(scope, receive, send)
            else:
                await self._watched(span, scope, receive, send)

    async def _watched(self, span: Span, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in KNOWN_METHODS else OTHER_METHOD
        name = "HTTP" if method is OTHER_METHOD else method
        span.set_attributes({"http.request.method": method, **_asked(scope)})
        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path_format", None)
            known: dict[str, str | int] = {"url.path": f"/{HIDDEN}"}
            if route is not None:
                known = {"http.route": route, "url.path": _shown(route, scope.get("path_params") or {})}
            if status:
                known["http.response.status_code"] = status
            # The raw path would make a name of its own for every id.
            span.update_name(name if route is None else f"{name} {route}")
            span.set_attributes(known)
            if status >= 500:
                fail(span, str(status))


@contextmanager
def calling(
    method: str, address: str, headers: MutableMapping[str, str], attempt: int = 1
) -> Iterator[Span | None]:
    """Send a request in the block: puts `traceparent` into `headers`, gives the span, when there is one.

    `address` is scheme, host and the template of the path (`http://links/api/v1/links/{link_id}`).
    """
    recorder = current_recorder()
    if recorder is None:
        if onward := current_traceparent():
            headers[TRACEPARENT] = onward
        yield None
        return
    shown = address.partition("?")[0]
    parts = urlsplit(shown)
    known: dict[str, str | int] = {
        "http.request.method": method,
        "url.full": shown,
        "url.template": parts.path or "/",
        "server.address": parts.hostname or "",
        "server.port": parts.port or _PORTS.get(parts.scheme, 0),
    }
    if attempt > 1:
        known["http.request.resend_count"] = attempt - 1
    span = recorder.child(f"{method} {parts.path or '/'}", SpanKind.CLIENT, known)
    headers[TRACEPARENT] = traceparent_of(span)
    with ended(span):
        yield span


def answered(span: Span | None, status: int) -> None:
    """Note the status that came back."""
    if span is not None:
        span.set_attribute("http.response.status_code", status)
        if status >= 400:
            fail(span, str(status))


def _asked(scope: Scope) -> dict[str, str | int]:
    """How, and by which name and port, the client asked us."""
    host = _header(scope, b"host")[:MAX_HOST_CHARACTERS]
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name = port = None
    bound = scope.get("server") or ("", None)
    known = {
        "url.scheme": scope["scheme"],
        "server.address": name or bound[0],
        "server.port": port or _PORTS.get(scope["scheme"], 0) if name else bound[1],
        "network.protocol.version": scope.get("http_version", ""),
    }
    return {key: value for key, value in known.items() if value}


def _shown(route: str, parameters: dict[str, object]) -> str:
    """The path, with numbers as they are and everything else hidden."""
    if not parameters:
        return route
    return route.format_map(
        {name: value if isinstance(value, int) else HIDDEN for name, value in parameters.items()}
    )


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return ""
