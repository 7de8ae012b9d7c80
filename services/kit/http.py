"""Calls to peers: one client per process, bounded in time, retried within a budget, the trace passed on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import httpx
import msgspec
from httpx_aiohttp import AiohttpTransport
from prometheus_client import CollectorRegistry

from services.kit import deadline
from services.kit.errors import TYPE_PREFIX, BadGateway, DeadlineExceeded, Problem, Unavailable, by_status
from services.kit.settings import decode_secret, reveal_secret
from telemetry.instrumentation.http import answered, calling
from telemetry.pools import HttpClientMetrics, Outcome

T = TypeVar("T")

CONNECT_TIMEOUT_S = 1.0
# For a call outside of a request; inside of one its deadline rules.
TIMEOUT_S = 10.0
MAX_CONNECTIONS = 200
MAX_ANSWER_BYTES = 16 * 1024 * 1024

# At most this share of calls is repeated on average, or a peer in trouble would get twice the load.
RETRY_SHARE = 0.1
RETRY_RESERVE = 10.0
MAX_ATTEMPTS = 3
BACKOFF_S = 0.025

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
_PASSING = frozenset((502, 503, 504))

# Shows that the caller is a service of this installation.
SERVICE_TOKEN = "x-service-token"  # noqa: S105 - the header's name

# Headers of the request being handled that go on with every call made for it.
PASSED_ON = ("x-request-id", "baggage", "tracestate")
# A peer that speaks gRPC takes 8 KiB of metadata in all; a longer one is a stranger's, and left out.
MAX_PASSED_ON = 1_024
passed_on: ContextVar[Mapping[str, str]] = ContextVar("passed_on")


def pass_on(headers: Mapping[str, str]) -> None:
    """Let the calls that are made for the request at hand carry what goes on with it."""
    passed_on.set(
        {name: headers[name] for name in PASSED_ON if name in headers and len(headers[name]) <= MAX_PASSED_ON}
    )


class RetryBudget:
    """Every call earns a part of a retry; a retry spends a whole one."""

    def __init__(self, share: float = RETRY_SHARE, reserve: float = RETRY_RESERVE) -> None:
        self._share = share
        self._reserve = reserve
        self._tokens = reserve

    def earn(self) -> None:
        self._tokens = min(self._reserve, self._tokens + self._share)

    def spend(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class HttpClient:
    """Typed calls to peers: `await http.call("GET", "http://links/api/v1/links/{id}", Link, path={"id": 1})`.

    What stands in an address is recorded with traces: a value of somebody's belongs into `path` or `params`.
    """

    def __init__(self, client: httpx.AsyncClient, metrics: HttpClientMetrics | None = None) -> None:
        self.client = client
        self._metrics = metrics or HttpClientMetrics(None, MAX_CONNECTIONS)
        self._budget = RetryBudget()

    async def call(
        self,
        method: str,
        url: str,
        kind: type[T],
        *,
        body: object = None,
        path: Mapping[str, object] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> T:
        """The answer of a peer as `kind`; raises the peer's Problem, Unavailable or DeadlineExceeded."""
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            content = msgspec.json.encode(body, enc_hook=reveal_secret)
            sent["content-type"] = "application/json"
        response = await self.request(method, url, content=content, path=path, params=params, headers=sent)
        if kind is type(None):
            return None  # T is None here
        try:
            return msgspec.json.decode(response.content, type=kind, dec_hook=decode_secret)
        except msgspec.MsgspecError as error:
            raise BadGateway(f"{httpx.URL(url).host} answered something else than was agreed") from error

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        path: Mapping[str, object] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A successful response, read whole; raises what `call` raises."""
        sent = {**passed_on.get({}), **(headers or {})}
        target = url if path is None else url.format_map(_quoted(path))
        request = self.client.build_request(method, target, content=content, params=params, headers=sent)
        repeatable = method in _REPEATABLE or "idempotency-key" in request.headers
        self._budget.earn()
        attempt = 1
        while True:
            try:
                response = await self._send(request, url, attempt)
            except Unavailable:
                if not repeatable or attempt == MAX_ATTEMPTS or not self._budget.spend():
                    raise
            else:
                if response.is_success:
                    return response
                if (
                    not repeatable
                    or response.status_code not in _PASSING
                    or attempt == MAX_ATTEMPTS
                    or not self._budget.spend()
                ):
                    raise problem_of(response)
            await asyncio.sleep(random.uniform(0.5, 1.5) * BACKOFF_S * 2**attempt)  # noqa: S311 - spreads, guards nothing
            attempt += 1

    async def _send(self, request: httpx.Request, template: str, attempt: int) -> httpx.Response:
        left = deadline.remaining_s()
        seconds = TIMEOUT_S if left is None else left
        request.headers[deadline.HEADER] = str(int(seconds * 1_000))
        measured = self._metrics.call(request.url.host, request.method)
        with calling(request.method, template, request.headers, attempt) as span, measured as outcome:
            response = await self._exchange(request, seconds, outcome)
            answered(span, response.status_code)
            return response

    async def _exchange(self, request: httpx.Request, seconds: float, outcome: Outcome) -> httpx.Response:
        try:
            async with asyncio.timeout(seconds):
                response = await self.client.send(request, stream=True)
                answer = await _read(response)
                outcome.status = str(response.status_code)
                return answer
        except TimeoutError as error:
            outcome.status = "timeout"
            raise DeadlineExceeded(f"{request.url.host} did not answer in time") from error
        except httpx.TimeoutException as error:
            outcome.status = "timeout"
            raise Unavailable(f"{request.url.host} did not answer in time") from error
        except httpx.TransportError as error:
            outcome.status = "unreachable"
            raise Unavailable(f"{request.url.host} cannot be reached") from error


def _quoted(values: Mapping[str, object]) -> dict[str, str]:
    return {name: quote(str(value), safe="") for name, value in values.items()}


@asynccontextmanager
async def open_client(registry: CollectorRegistry | None = None) -> AsyncIterator[HttpClient]:
    """The client of this process; it obeys HTTP_PROXY and NO_PROXY, as the sidecar's egress needs."""

    def session() -> aiohttp.ClientSession:
        # A transport of one's own makes httpx ignore the proxy variables: aiohttp has to read them.
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
        return aiohttp.ClientSession(connector=connector, trust_env=True, cookie_jar=aiohttp.DummyCookieJar())

    timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with httpx.AsyncClient(transport=AiohttpTransport(client=session), timeout=timeout) as client:
        yield HttpClient(client, HttpClientMetrics(registry, MAX_CONNECTIONS))


async def _read(response: httpx.Response) -> httpx.Response:
    """The response with its content, as long as that is no longer than it may be."""
    content = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise BadGateway(f"{response.request.url.host} answered more than {MAX_ANSWER_BYTES} bytes")
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(content), request=response.request
    )


def problem_of(response: httpx.Response) -> Problem:
    """The problem that a peer answered; a server's fault there is BadGateway or Unavailable here."""
    kind = by_status(response.status_code)
    if kind.status == 500:
        kind = BadGateway
    members: dict[str, Any] = {}
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        try:
            members = msgspec.json.decode(response.content, type=dict[str, Any])
        except msgspec.MsgspecError:
            members = {}
    detail = str(members.pop("detail", "") or f"{response.request.url.host} answered {response.status_code}")
    problem = kind(detail)
    named = str(members.pop("type", ""))
    if named.startswith(TYPE_PREFIX):
        problem.type = named.removeprefix(TYPE_PREFIX)
    for taken in ("title", "status", "trace_id"):
        members.pop(taken, None)
    problem.members = members
    if "retry-after" in response.headers:
        problem.headers["retry-after"] = response.headers["retry-after"]
    return problem
