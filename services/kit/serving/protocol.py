"""HTTP/1.1 as uvicorn speaks it, but for request lines that are too long: they are answered, not cut off."""

from __future__ import annotations

from typing import cast

from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.kit.errors import UriTooLong, render
from telemetry.serving import GONE

# Of method, target and version together. The parser's offsets into a target have 16 bits, not more.
MAX_REQUEST_LINE_BYTES = 64 * 1024
_AROUND_TARGET = len("  HTTP/1.1")


class Protocol(HttpToolsProtocol):
    """A connection; a request whose line is too long is answered 414, and the next one as ever."""

    def on_url(self, url: bytes) -> None:
        # One byte beyond the limit is enough to know.
        room = MAX_REQUEST_LINE_BYTES + 1 - len(self.url)
        super().on_url(url[:room])

    def on_headers_complete(self) -> None:
        line = len(self.parser.get_method()) + len(self.url) + _AROUND_TARGET
        if line <= MAX_REQUEST_LINE_BYTES:
            self._begin()
            return
        app, self.app = self.app, cast(ASGI3Application, _too_long)
        self.url = b"/"
        try:
            self._begin()
        finally:
            self.app = app

    def _begin(self) -> None:
        scope = cast(dict[str, object], self.scope)
        super().on_headers_complete()
        cycle = self.cycle
        scope[GONE] = lambda: cycle.disconnected


async def _too_long(scope: Scope, receive: Receive, send: Send) -> None:
    problem = UriTooLong(f"a request line has at most {MAX_REQUEST_LINE_BYTES} bytes")
    await render(problem)(scope, receive, send)
