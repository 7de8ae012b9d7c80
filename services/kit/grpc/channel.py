"""The calling side: one channel per peer, bounded in time, retried within a budget, the trace passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import Message

from services.kit import deadline, http
from services.kit.errors import DeadlineExceeded, Problem, Unavailable
from services.kit.grpc import status
from services.kit.grpc.method import Name
from services.kit.settings import InvalidSettings
from telemetry.instrumentation import rpc

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

TIMEOUT_S = 5.0
KEEPALIVE_MS = 30_000
MAX_RECONNECT_BACKOFF_MS = 2_000
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class Channel:
    """Calls to one peer. `token` is the user's access token, `service_token` the installation's own."""

    def __init__(self, channel: grpc.aio.Channel, host: str, port: int = 0) -> None:
        self._channel = channel
        self._host = host
        self._port = port
        self._budget = http.RetryBudget()

    async def call(
        self,
        name: Name[Request, Response],
        request: Request,
        *,
        token: str | None = None,
        service_token: str | None = None,
        repeatable: bool = False,
    ) -> Response:
        """One answer; raises the peer's Problem, Unavailable or DeadlineExceeded.

        `repeatable`: asked again, within the budget, when the peer was not there.
        """
        method: Any = self._channel.unary_unary(
            name.path,
            request_serializer=name.request.SerializeToString,
            response_deserializer=name.response.FromString,
        )
        self._budget.earn()
        attempt = 1
        while True:
            try:
                return await self._attempt(method, name, request, _metadata(token, service_token))
            except grpc.aio.AioRpcError as error:
                problem = self._problem(error)
                again = repeatable and isinstance(problem, Unavailable) and attempt < http.MAX_ATTEMPTS
                if not again or not self._budget.spend():
                    raise problem from error
            await asyncio.sleep(http.BACKOFF_S * 2**attempt)
            attempt += 1

    async def _attempt(
        self, method: Any, name: Name[Request, Response], request: Request, metadata: dict[str, str]
    ) -> Response:
        left = deadline.remaining_s()
        with rpc.calling(name.path[1:], self._host, self._port, metadata) as span:
            try:
                answer: Response = await method(
                    request,
                    metadata=tuple(metadata.items()),
                    timeout=TIMEOUT_S if left is None else min(left, TIMEOUT_S),
                )
            except grpc.aio.AioRpcError as error:
                rpc.answered(span, error.code().name, here=False)
                raise
            rpc.answered(span, "OK", here=False)
            return answer

    async def stream(
        self,
        name: Name[Request, Response],
        request: Request,
        *,
        token: str | None = None,
        service_token: str | None = None,
    ) -> AsyncGenerator[Response, None]:
        """Answers until the peer ends the stream; raises what `call` raises."""
        method: Any = self._channel.unary_stream(
            name.path,
            request_serializer=name.request.SerializeToString,
            response_deserializer=name.response.FromString,
        )
        metadata = _metadata(token, service_token)
        with rpc.calling(name.path[1:], self._host, self._port, metadata) as span:
            call = method(request, metadata=tuple(metadata.items()))
            try:
                async for message in call:
                    yield message
                rpc.answered(span, "OK", here=False)
            except grpc.aio.AioRpcError as error:
                rpc.answered(span, error.code().name, here=False)
                raise self._problem(error) from error
            finally:
                call.cancel()

    def _problem(self, error: grpc.aio.AioRpcError) -> Problem:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{self._host} did not answer in time")
        return status.problem_of(error, self._host)


@asynccontextmanager
async def open_channel(authority: str, proxy: str = "") -> AsyncIterator[Channel]:
    """A channel to the service at `authority` (host:port); with `proxy` through the sidecar's outbound side.

    Connections are made when they are needed. Raises InvalidSettings for a proxy that is none.
    """
    options: list[tuple[str, Any]] = [
        # grpc would speak CONNECT with HTTP_PROXY, which tunnels past the sidecar's routes.
        ("grpc.enable_http_proxy", 0),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_BACKOFF_MS),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    target = authority
    if proxy:
        parts = urlsplit(proxy)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise InvalidSettings("GRPC_PROXY is not like http://127.0.0.1:15001")
        target = f"{parts.hostname}:{parts.port}"
        options.append(("grpc.default_authority", authority))
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        host, _, port = authority.partition(":")
        yield Channel(channel, host, int(port) if port.isdigit() else 0)


def _metadata(token: str | None, service_token: str | None) -> dict[str, str]:
    sent = dict(http.passed_on.get({}))
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if service_token is not None:
        sent[http.SERVICE_TOKEN] = service_token
    return sent
