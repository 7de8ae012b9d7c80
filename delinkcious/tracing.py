"""A request that is traced whatever the sampling says, and its trace as soon as all of it is there."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from delinkcious.session import NotSignedIn, Server
from services.kit.errors import Unavailable
from telemetry.critical_path import tree
from telemetry.jaeger import Jaeger
from telemetry.spans import Trace

ANSWERED_WITHIN_S = 60.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
LOOK_EVERY_S = 0.25
# Processes send their spans every half second, proxies every second, the collector batches them again; what
# a broker passes on begins within a tenth of a second. After so long without news nothing more comes.
SETTLED_S = 2.5

# Makes the edge believe that this one is to be sampled; it does so for those who are allowed.
FORCE = "x-envoy-force-trace"
# On this machine everybody comes from loopback; from this address comes who may.
OPERATOR = "127.0.0.2"


@dataclass(frozen=True)
class Ask:
    """A request to send; `url` may be a path of the server."""

    url: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back, whose request it was ("": nobody's), and the id of its trace."""

    trace_id: str
    method: str
    url: str
    status: int
    seconds: float
    username: str


@dataclass(frozen=True)
class Found:
    """A trace as far as it is known; `whole`: nothing of it is missing, and nothing new came for a while."""

    trace: Trace
    whole: bool


async def send(there: Server, ask: Ask) -> Answer:
    """Send it as whoever is signed in there, as the root of a new trace that is sampled.

    The session's token goes to its own server only. Raises Unavailable when no answer comes.
    """
    url = urljoin(there.url + "/", ask.url)
    trace_id = secrets.token_hex(16)
    headers = {
        "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
        FORCE: "1",
        **({} if ask.body is None else {"content-type": "application/json"}),
        **{name.lower(): value for name, value in ask.headers.items()},
    }
    username = ""
    if _origin(url) == _origin(there.url) and "authorization" not in headers:
        try:
            headers["authorization"] = f"Bearer {await there.token()}"
            username = there.username()
        except NotSignedIn:
            username = ""
    began = time.monotonic()
    status = await _status(there.http.client, ask, url, headers)
    return Answer(trace_id, ask.method, url, status, time.monotonic() - began, username)


async def _status(client: httpx.AsyncClient, ask: Ask, url: str, headers: Mapping[str, str]) -> int:
    """The status of the answer, which is read to its end: until then it is not over."""
    try:
        async with (
            asyncio.timeout(ANSWERED_WITHIN_S),
            client.stream(
                ask.method, url, content=ask.body, headers=dict(headers), timeout=ANSWERED_WITHIN_S
            ) as response,
        ):
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > MAX_ANSWER_BYTES:
                    break
            return response.status_code
    except (TimeoutError, httpx.TimeoutException) as error:
        raise Unavailable(f"{_origin(url)} did not answer within {ANSWERED_WITHIN_S:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        raise Unavailable(f"{_origin(url)} cannot be reached") from error


async def find(jaeger: Jaeger, trace_id: str, within_s: float, settled_s: float = SETTLED_S) -> Found | None:
    """The trace when it is whole, or what is there of it at the end of the time; None: nothing.

    Raises JaegerUnavailable.
    """
    until = time.monotonic() + within_s
    known: Trace | None = None
    since = time.monotonic()
    while True:
        trace = await jaeger.trace(trace_id)
        now = time.monotonic()
        if trace is not None and (known is None or len(trace.spans) != len(known.spans)):
            known, since = trace, now
        if known is not None and is_connected(known) and now - since >= settled_s:
            return Found(known, whole=True)
        if now >= until:
            return None if known is None else Found(known, whole=False)
        await asyncio.sleep(LOOK_EVERY_S)


def is_connected(trace: Trace) -> bool:
    """Whether every span's parent is there, but for the first one's, which may be outside."""
    return len(tree(trace)) == 1


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
