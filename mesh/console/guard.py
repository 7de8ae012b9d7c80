"""Who may read the console: a browser of this machine that was led to it, no page of another site.

The console answers on loopback to its own address only. A name of somebody else's that leads here (DNS
rebinding) is refused by its Host header, what another page embeds or fetches by what the browser says of it,
and nothing here changes anything: GET and HEAD are all there is. No answer allows another origin.
"""

from __future__ import annotations

import ipaddress
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NONCE = "nonce"
_ELSEWHERE = frozenset({"cross-site", "same-site"})


class Guard:
    """ASGI: refuses what is not for it, and says with every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})[NONCE] = nonce

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers(nonce).items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _refusal(scope["method"], Headers(scope=scope))
        await (refusal or self.app)(scope, receive, guarded)


def _refusal(method: str, headers: Headers) -> Response | None:
    if not is_local(headers.get("host", "")):
        return PlainTextResponse("This page is for this machine, under its own address only.\n", 421)
    if method not in ("GET", "HEAD"):
        return PlainTextResponse("This page only shows.\n", 405, headers={"allow": "GET, HEAD"})
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if headers.get("sec-fetch-site") in _ELSEWHERE and not followed:
        return PlainTextResponse("Other sites have no business here.\n", 403)
    return None


def is_local(host: str) -> bool:
    """Whether a Host header names this machine by what no name server decides on."""
    name, colon, port = host.rpartition(":")
    name = name if colon and port.isdigit() else host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _headers(nonce: str) -> dict[str, str]:
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return {
        "content-security-policy": "; ".join(policy),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cache-control": "no-store",
    }
