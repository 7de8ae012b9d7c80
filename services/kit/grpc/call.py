"""One method at work: in its caller's trace, identified, admitted, in time, counted, errors in one form."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Multiset
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from services.kit import http
from services.kit.auth import Principal, Verifier
from services.kit.deadline import deadline
from services.kit.errors import (
    BadRequest,
    Forbidden,
    InternalError,
    Problem,
    TooManyRequests,
    Unavailable,
    note,
)
from services.kit.grpc import status
from services.kit.grpc.method import Method, Stream, Unary
from services.kit.grpc.settings import GrpcSettings
from services.kit.live.settings import Live
from services.kit.serving.admission import Admission
from telemetry.instrumentation import rpc
from telemetry.metrics import RpcMetrics
from telemetry.recording import Recorder

REFUSED_WITHIN_S = 1.0

Context = grpc.aio.ServicerContext[Any, Any]

_log = structlog.get_logger(__name__)


class SlowReader(TooManyRequests):
    """A stream's reader does not keep up with what is sent."""

    title = "Slow reader"


@dataclass
class Serving:
    """What the methods of a server share."""

    deps: Any
    verifier: Verifier
    settings: GrpcSettings
    live: Live[Any]
    admission: Admission
    metrics: RpcMetrics
    recorder: Recorder | None = None
    draining: bool = False
    timers: set[asyncio.Timeout] = field(default_factory=set)
    streams_of: Multiset[int] = field(default_factory=Multiset)

    def drain(self) -> None:
        """End every stream in good order and take no new one."""
        self.draining = True
        for timer in self.timers:
            if not timer.expired():
                timer.reschedule(asyncio.get_running_loop().time())

    @contextmanager
    def stream(self, principal: Principal) -> Iterator[asyncio.Timeout]:
        """A place for a stream, with the timer that ends it; raises when there is none."""
        if self.draining:
            raise Unavailable("this process is about to stop")
        user = principal.user_id
        if len(self.timers) >= self.settings.max_streams:
            raise TooManyRequests("too many streams at this moment", retry_after_s=1)
        if self.streams_of[user] >= self.settings.max_streams_per_user:
            raise TooManyRequests("too many streams of yours", retry_after_s=1)
        timer = asyncio.timeout(self.settings.stream_lifetime_s)
        self.timers.add(timer)
        self.streams_of[user] += 1
        try:
            yield timer
        finally:
            self.timers.discard(timer)
            self.streams_of[user] -= 1
            if not self.streams_of[user]:
                del self.streams_of[user]


class Call:
    """What grpc calls for one Method of the table."""

    def __init__(self, method: Method, serving: Serving) -> None:
        self._method = method
        self._serving = serving

    async def unary(self, content: bytes, context: Context) -> Message:
        """Answer once."""
        method = self._method
        assert isinstance(method, Unary)  # noqa: S101 - the server's table says so
        async with self._answering(context):
            left = context.time_remaining()
            request = self._read(content)
            async with deadline(method.deadline_s if left is None else min(left, method.deadline_s)):
                principal = await self._identify(context)
                async with self._serving.admission:
                    return await method.handler(self._serving.deps, principal, request)
        raise AssertionError("an answer was neither given nor refused")

    async def stream(self, content: bytes, context: Context) -> None:
        """Answer as long as there is somebody who reads, until the stream's end is due."""
        method = self._method
        assert isinstance(method, Stream)  # noqa: S101 - the server's table says so
        async with self._answering(context):
            request = self._read(content)
            principal = await self._identify(context)
            answers = method.handler(self._serving.deps, principal, request)
            with self._serving.stream(principal) as timer:
                try:
                    async with timer, aclosing(answers) as sent:
                        async for message in sent:
                            with _as_cancelled():
                                if message is None:
                                    await context.send_initial_metadata(())
                                else:
                                    await self._write(context, message)
                except TimeoutError:
                    if not timer.expired():
                        raise

    async def _write(self, context: Context, message: Message) -> None:
        patience = asyncio.timeout(self._serving.settings.stream_write_timeout_s)
        try:
            async with patience:
                await context.write(message)
        except TimeoutError as error:
            if patience.expired():
                raise SlowReader("you read too slowly; ask for what you missed") from error
            raise

    def _read(self, content: bytes) -> Message:
        # Here and not by grpc, which would answer on its own, uncounted.
        try:
            request: Message = self._method.name.request.FromString(content)
            return request
        except DecodeError as error:
            kind = self._method.name.request.DESCRIPTOR.full_name
            raise BadRequest(f"the request is no {kind}") from error

    async def _identify(self, context: Context) -> Principal:
        principal = await self._serving.verifier.principal(_metadata(context).get("authorization"))
        scope = self._method.scope
        if scope and scope not in principal.scopes:
            raise Forbidden(f"the token lacks the scope `{scope}`")
        return principal

    @asynccontextmanager
    async def _answering(self, context: Context) -> AsyncIterator[None]:
        serving, name = self._serving, self._method.name
        metadata = _metadata(context)
        http.pass_on(metadata)
        begun, code = time.perf_counter(), grpc.StatusCode.OK
        sampling = serving.live.now.trace_ratio
        with rpc.serving_call(
            name.path[1:], metadata.get("traceparent", ""), serving.recorder, sampling
        ) as span:
            try:
                yield
            except Problem as error:
                code = status.code_of(error)
                note(error)
                await _refuse(context, error)
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:
                # The boundary of the process: whatever it was, the client learns the trace id and no more.
                code = grpc.StatusCode.INTERNAL
                _log.exception("unhandled error", method=name.path)
                unknown = InternalError()
                unknown.__cause__ = error
                note(unknown)
                await _refuse(context, unknown)
            finally:
                rpc.answered(span, code.name, here=True)
                serving.metrics.observe(name.path[1:], code.name, time.perf_counter() - begun)


@contextmanager
def _as_cancelled() -> Iterator[None]:
    """Sending fails to who has gone, before grpc cancels the call for that."""
    try:
        yield
    except grpc.aio.InternalError as error:
        raise asyncio.CancelledError from error


async def _refuse(context: Context, problem: Problem) -> NoReturn:
    said = problem.detail or problem.title
    try:
        async with asyncio.timeout(REFUSED_WITHIN_S):
            await context.abort(status.code_of(problem), said, status.trailing(problem))
    except TimeoutError:
        # It stands behind what the client does not read; it is there when the client does.
        pass
    raise grpc.aio.AbortError("refused")


def _metadata(context: Context) -> dict[str, str]:
    return {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
