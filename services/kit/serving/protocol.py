"""HTTP/1.1 as uvicorn speaks it, but for request lines that are too long: they are answered, not cut off."""

from __future__ import annotations

from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.kit.errors import REFUSED, UriTooLong
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
        scope = cast(dict[str, object], self.scope)
        if line > MAX_REQUEST_LINE_BYTES:
            self.url = b"/"
            scope[REFUSED] = UriTooLong(f"a request line has at most {MAX_REQUEST_LINE_BYTES} bytes")
        super().on_headers_complete()
        cycle = self.cycle
        scope[GONE] = lambda: cycle.disconnected
