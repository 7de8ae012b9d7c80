"""One request and its redirects: every hop read, resolved and judged anew, every step bounded."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

import certifi
import httpcore

from services.link_checker.fetching import bodies, targets
from services.link_checker.fetching.addresses import Guard
from services.link_checker.fetching.errors import (
    BadAnswer,
    ConnectFailed,
    FetchError,
    TimedOut,
    TlsFailed,
    TooManyRedirects,
)
from services.link_checker.fetching.pinned import PinnedNetwork
from services.link_checker.fetching.resolver import Resolver, public_addresses
from services.link_checker.fetching.targets import Target

# What sites call us in their robots.txt and their logs.
AGENT = "DelinkciousLinkChecker"
REDIRECTS = frozenset((301, 302, 303, 307, 308))
PERMANENT = frozenset((301, 308))
MAX_LOCATION_BYTES = 8_192

Headers = Sequence[tuple[str, str]]
# Entered around every hop: manners (robots, turns). May raise a FetchError.
Before = Callable[[Target], AbstractAsyncContextManager[object]]


@dataclass(frozen=True)
class Limits:
    """Bounds of one fetch, all hops together unless said otherwise."""

    total_s: float = 25.0
    connect_s: float = 5.0  # per attempt
    silence_s: float = 10.0  # between two bytes
    redirects: int = 8
    headers: int = 128  # of one answer; their bytes are bounded by httpcore (100 KiB)


@dataclass(frozen=True)
class Answer:
    """What came back in the end, and the way there.

    `hops` are the addresses asked, the first one included; `moved_to` is where permanent redirects from the
    start of the way lead (RFC 9110, 15.4.2 and 15.4.9), before any that is not.
    """

    status: int
    headers: Headers
    body: bytes
    hops: tuple[Target, ...]
    moved_to: Target | None

    def header(self, name: str) -> str:
        """The first header of that name (lower case), or nothing."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Fetcher:
    """Asks strangers' servers. `tls` is the context that verifies them (default: certifi's authorities)."""

    guard: Guard
    resolver: Resolver
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext = field(default_factory=lambda: ssl.create_default_context(cafile=certifi.where()))
    user_agent: str = f"{AGENT}/1.0"

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        body_bytes: int = 0,
        headers: Headers = (),
        before: Before = lambda _: nullcontext(),
    ) -> Answer:
        """The answer to `method url`, redirects followed, with the first `body_bytes` of its body.

        Raises a FetchError.
        """
        target = targets.read(url)
        try:
            async with asyncio.timeout(self.limits.total_s):
                return await self._follow(method, target, body_bytes, headers, before)
        except TimeoutError as error:
            raise TimedOut("not done in time") from error

    async def _follow(
        self, method: str, target: Target, body_bytes: int, headers: Headers, before: Before
    ) -> Answer:
        hops: list[Target] = [target]
        moved_to: Target | None = None
        lasting = True
        while True:
            async with before(target):
                status, received, body = await self._hop(method, target, body_bytes, headers)
            location = next((value for name, value in received if name == "location"), "")
            if status not in REDIRECTS or not location:
                return Answer(status, received, body, tuple(hops), moved_to)
            if len(hops) > self.limits.redirects:
                raise TooManyRedirects(f"more than {self.limits.redirects}")
            if len(location) > MAX_LOCATION_BYTES:
                raise BadAnswer("a redirect too long")
            target = targets.join(target, location)
            if target in hops:
                raise TooManyRedirects("in a circle")
            hops.append(target)
            lasting = lasting and status in PERMANENT
            moved_to = target if lasting else moved_to

    async def _hop(
        self, method: str, target: Target, body_bytes: int, headers: Headers
    ) -> tuple[int, Headers, bytes]:
        addresses = await public_addresses(target, self.resolver, self.guard)
        limits = self.limits
        timeout = {
            "connect": limits.connect_s,
            "read": limits.silence_s,
            "write": limits.silence_s,
            "pool": limits.total_s,
        }
        try:
            async with (
                # A connection of its own for every hop: nothing is shared between hosts, or kept.
                httpcore.AsyncConnectionPool(
                    ssl_context=self.tls,
                    max_connections=1,
                    max_keepalive_connections=0,
                    network_backend=PinnedNetwork(addresses),
                ) as pool,
                pool.stream(
                    method,
                    httpcore.URL(
                        scheme=target.scheme, host=target.host, port=target.port, target=target.path
                    ),
                    headers=self._headers(target, headers),
                    extensions={"timeout": timeout},
                ) as response,
            ):
                received = self._received(response)
                body = b""
                if body_bytes and response.status not in REDIRECTS:
                    body = await self._body(response, received, body_bytes)
                return response.status, received, body
        except (FetchError, TimeoutError):
            raise
        except Exception as error:
            raise _translated(error) from error

    def _headers(self, target: Target, more: Headers) -> list[tuple[str, str]]:
        """What is sent: no cookie, no credentials, no referrer."""
        return [
            ("Host", target.authority),
            ("User-Agent", self.user_agent),
            ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("Accept-Encoding", "gzip, deflate"),
            ("Connection", "close"),
            *more,
        ]

    def _received(self, response: httpcore.Response) -> Headers:
        if len(response.headers) > self.limits.headers:
            raise BadAnswer("too many headers")
        return [(name.decode("latin-1").lower(), _text(value)) for name, value in response.headers]

    async def _body(self, response: httpcore.Response, received: Headers, limit_bytes: int) -> bytes:
        codings = ",".join(value for name, value in received if name == "content-encoding")
        stream = response.stream
        if not isinstance(stream, AsyncIterable):  # httpcore's type allows the synchronous one too
            raise BadAnswer("no stream")
        return await bodies.read(stream, codings, limit_bytes)


def _text(value: bytes) -> str:
    """A header as text: UTF-8 where it is, since redirects are written so, Latin-1 otherwise."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _translated(error: Exception) -> Exception:
    """httpcore's error as ours; what is neither is a fault of ours and stays what it is."""
    if isinstance(error, httpcore.TimeoutException):
        return TimedOut(type(error).__name__)
    if isinstance(error, httpcore.NetworkError | httpcore.ConnectError):
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError | ssl.CertificateError):
                return TlsFailed(
                    getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "TLS"
                )
            cause = cause.__cause__ or cause.__context__
        return ConnectFailed(str(error) or type(error).__name__)
    if isinstance(error, httpcore.ProtocolError | httpcore.UnsupportedProtocol):
        return BadAnswer(str(error)[:200])
    if isinstance(error, OSError):
        return ConnectFailed(str(error))
    return error
