"""gRPC beside HTTP: who may call, what errors are, when calls end. Over real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from prometheus_client import CollectorRegistry

from services.kit import deadline
from services.kit.auth import Principal, Verifier
from services.kit.errors import (
    BadGateway,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from services.kit.grpc.channel import Channel, open_channel
from services.kit.grpc.method import Name, Stream, Unary
from services.kit.grpc.server import serving
from services.kit.grpc.settings import GrpcSettings
from services.kit.grpc.status import PROBLEM
from services.kit.resources import Resources
from telemetry.traces import continued, current_traceparent
from tests.access_tokens import AUDIENCE, ISSUER, TokenMint

pytestmark = pytest.mark.anyio

SERVICE = "test.Sample"
ASK: Name[StringValue, StringValue] = Name(SERVICE, "Ask", StringValue, StringValue)
TALK: Name[StringValue, StringValue] = Name(SERVICE, "Talk", StringValue, StringValue)
HEALTH: Name[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = Name(
    "grpc.health.v1.Health", "Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


class NameTaken(Conflict):
    """Somebody has it."""


@dataclass
class Deps:
    """What the handlers of this test share."""

    asked: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


async def ask(deps: Deps, principal: Principal, request: StringValue) -> StringValue:
    """Does what the request says."""
    deps.asked.append(request.value)
    deps.came.set()
    match request.value:
        case "conflict":
            raise NameTaken("ann is taken", name="ann")
        case "fault":
            raise RuntimeError("a secret of the server")
        case "wait":
            await deps.go_on.wait()
        case "away" if deps.asked.count("away") < 3:
            raise Unavailable("not now")
        case "trace":
            return StringValue(value=current_traceparent())
    return StringValue(value=f"{principal.user_id}: {request.value}")


async def talk(
    deps: Deps, principal: Principal, request: StringValue
) -> AsyncGenerator[StringValue | None, None]:
    """Talks in pieces of the wanted size until it is stopped."""
    yield None
    while request.value:
        yield StringValue(value="x" * int(request.value))
    await deps.go_on.wait()


@dataclass
class Sample:
    """The running server, and a client."""

    deps: Deps
    resources: Resources
    channel: Channel
    address: str
    token: str


@pytest.fixture
def changes() -> dict[str, object]:
    """Settings of the server; a test that needs others parametrises it."""
    return {}


@pytest.fixture
async def sample(token_mint: TokenMint, changes: dict[str, object]) -> AsyncIterator[Sample]:
    usual = {"host": "127.0.0.1", "grpc_port": 0, "issuer": ISSUER, "audience": AUDIENCE, "jwks_url": "-"}
    settings = msgspec.convert(usual | {"drain_timeout_s": 5.0} | changes, GrpcSettings)
    resources = Resources(CollectorRegistry(), settings=settings)
    resources.verifier = Verifier(token_mint.fetch, issuer=ISSUER, audience=AUDIENCE)
    methods = (Unary(name=ASK, handler=ask, deadline_s=4.0), Stream(name=TALK, handler=talk))
    async with AsyncExitStack() as stack:
        deps = Deps()
        port = await stack.enter_async_context(serving(methods, deps, settings, resources))
        address = f"127.0.0.1:{port}"
        channel = await stack.enter_async_context(open_channel(address))
        yield Sample(deps, resources, channel, address, token_mint.token(7))


async def test_a_call_is_answered_for_whom_the_token_names(sample: Sample) -> None:
    answer = await sample.channel.call(ASK, StringValue(value="hello"), token=sample.token)

    assert answer.value == "7: hello"
    seen = sample.resources.registry.get_sample_value
    assert seen("rpc_server_duration_seconds_count", {"method": "test.Sample/Ask", "code": "OK"}) == 1


async def test_nobody_is_let_in_without_a_valid_token(sample: Sample, token_mint: TokenMint) -> None:
    with pytest.raises(Unauthenticated):
        await sample.channel.call(ASK, StringValue())
    with pytest.raises(Unauthenticated):
        await sample.channel.call(ASK, StringValue(), token=TokenMint().token(7))
    with pytest.raises(Forbidden, match="scope"):
        await sample.channel.call(ASK, StringValue(), token=token_mint.token(7, scopes=["write"]))
    with pytest.raises(Unauthenticated):
        async with aclosing(sample.channel.stream(TALK, StringValue())) as answers:
            await anext(answers)
    assert sample.deps.asked == []


async def test_a_problem_arrives_as_it_was_raised(sample: Sample) -> None:
    with pytest.raises(Conflict, match="ann is taken") as caught:
        await sample.channel.call(ASK, StringValue(value="conflict"), token=sample.token)

    assert caught.value.members == {"name": "ann"}


async def test_what_is_no_message_is_refused_and_counted_as_such(sample: Sample) -> None:
    metadata = (("authorization", f"Bearer {sample.token}"),)
    async with grpc.aio.insecure_channel(sample.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(ASK.path, bytes)(b"\xff" * 100, metadata=metadata)
        talk: Any = channel.unary_stream(TALK.path, bytes)(b"\xff" * 100, metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as streamed:
            await talk.read()
    for error in (refused.value, streamed.value):
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "the request is no google.protobuf.StringValue"
    seen, counted = sample.resources.registry.get_sample_value, "rpc_server_duration_seconds_count"
    for method in ("Ask", "Talk"):
        assert seen(counted, {"method": f"{SERVICE}/{method}", "code": "INVALID_ARGUMENT"}) == 1


async def test_a_fault_tells_the_trace_id_and_no_more(sample: Sample) -> None:
    with pytest.raises(BadGateway, match=r"^Internal server error$"):
        await sample.channel.call(ASK, StringValue(value="fault"), token=sample.token)
    async with grpc.aio.insecure_channel(sample.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call = channel.unary_unary(ASK.path, StringValue.SerializeToString, StringValue.FromString)
            await call(
                StringValue(value="fault"),
                metadata=(("authorization", f"Bearer {sample.token}"), ("traceparent", TRACEPARENT)),
            )

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    problem = msgspec.json.decode(dict(caught.value.trailing_metadata() or ())[PROBLEM])
    assert problem["trace_id"] == TRACEPARENT.split("-")[1]
    assert "secret" not in str(caught.value) + str(problem)


async def test_the_trace_is_passed_on(sample: Sample) -> None:
    with continued(TRACEPARENT):
        answer = await sample.channel.call(ASK, StringValue(value="trace"), token=sample.token)

    assert answer.value == TRACEPARENT


async def test_a_call_ends_when_its_caller_no_longer_waits(sample: Sample) -> None:
    with pytest.raises(DeadlineExceeded):
        async with deadline.deadline(0.2):
            await sample.channel.call(ASK, StringValue(value="wait"), token=sample.token)
    with pytest.raises(DeadlineExceeded):
        await sample.channel.call(ASK, StringValue(value="wait"), token=sample.token)


@pytest.mark.parametrize("changes", [{"max_concurrency": 1, "max_queue": 0}])
async def test_what_is_too_much_is_refused_at_once(sample: Sample) -> None:
    first = asyncio.create_task(sample.channel.call(ASK, StringValue(value="wait"), token=sample.token))
    await sample.deps.came.wait()

    with pytest.raises(Unavailable, match="too many"):
        await sample.channel.call(ASK, StringValue(), token=sample.token)

    sample.deps.go_on.set()
    assert (await first).value == "7: wait"


async def test_only_what_may_be_repeated_is_asked_again(sample: Sample) -> None:
    with pytest.raises(Unavailable):
        await sample.channel.call(ASK, StringValue(value="away"), token=sample.token)
    assert sample.deps.asked == ["away"]

    answer = await sample.channel.call(ASK, StringValue(value="away"), token=sample.token, repeatable=True)

    assert answer.value == "7: away"
    assert sample.deps.asked == ["away"] * 3


async def test_retries_end_with_their_budget(sample: Sample) -> None:
    async with open_channel("127.0.0.1:1") as channel:
        for _ in range(20):
            with pytest.raises(Unavailable):
                await channel.call(ASK, StringValue(), token="x", repeatable=True)
        assert not channel._budget.spend()


@pytest.mark.parametrize("changes", [{"max_streams": 3, "max_streams_per_user": 1}])
async def test_streams_are_bounded_for_each_user_and_for_all(sample: Sample, token_mint: TokenMint) -> None:
    async def begin(user: int) -> AsyncGenerator[StringValue, None]:
        answers = sample.channel.stream(TALK, StringValue(value="1"), token=token_mint.token(user))
        await anext(answers)
        return answers

    begun = [await begin(1)]
    with pytest.raises(TooManyRequests, match="yours"):
        await begin(1)
    begun += [await begin(2), await begin(3)]
    with pytest.raises(TooManyRequests, match="moment"):
        await begin(4)

    for answers in begun:
        await answers.aclose()


@pytest.mark.parametrize("changes", [{"stream_write_timeout_s": 1.0}])
async def test_a_reader_that_does_not_read_is_dropped(sample: Sample) -> None:
    async with aclosing(
        sample.channel.stream(TALK, StringValue(value="500000"), token=sample.token)
    ) as answers:
        await anext(answers)
        seen = sample.resources.registry.get_sample_value
        dropped = {"method": "test.Sample/Talk", "code": "RESOURCE_EXHAUSTED"}
        while not seen("rpc_server_duration_seconds_count", dropped):  # noqa: ASYNC110 - a metric only
            await asyncio.sleep(0.02)
        with pytest.raises(TooManyRequests, match="slowly"):
            async for _ in answers:
                pass


@pytest.mark.parametrize("changes", [{"stream_lifetime_s": 0.3}])
async def test_a_stream_ends_in_good_order_when_its_time_is_over(sample: Sample) -> None:
    async with aclosing(sample.channel.stream(TALK, StringValue(), token=sample.token)) as answers:
        assert [answer async for answer in answers] == []


async def test_leaving_is_told_first_and_ends_streams(sample: Sample) -> None:
    async def health() -> int:
        return (await sample.channel.call(HEALTH, health_pb2.HealthCheckRequest(service=SERVICE))).status

    assert await health() == health_pb2.HealthCheckResponse.SERVING
    answers = sample.channel.stream(TALK, StringValue(value="1"), token=sample.token)
    await anext(answers)

    sample.resources.draining.set()
    async for _ in answers:
        pass

    assert await health() == health_pb2.HealthCheckResponse.NOT_SERVING
    # Who comes in this moment is still answered; a stream would end at once.
    assert (await sample.channel.call(ASK, StringValue(value="x"), token=sample.token)).value == "7: x"
    with pytest.raises(Unavailable, match="about to stop"):
        await anext(sample.channel.stream(TALK, StringValue(), token=sample.token))


async def test_the_interface_can_be_looked_up(sample: Sample) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(sample.address) as channel:
        call = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(iter([request]))
        answer = await anext(aiter(call))
        call.cancel()

    names = {service.name for service in answer.list_services_response.service}
    assert names == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert re.fullmatch(r"127\.0\.0\.1:\d+", sample.address)
