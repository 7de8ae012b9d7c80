"""Calls to peers: what they carry, through which proxy they go, when they are repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from services.kit import deadline, http
from services.kit.errors import BadGateway, Conflict, DeadlineExceeded, Unavailable
from services.kit.http import open_client
from telemetry.instrumentation.http import Tracing

pytestmark = pytest.mark.anyio


class Thing(msgspec.Struct):
    id: int


@dataclass
class Peer:
    """An HTTP/1.1 server that records what it is sent and answers as told."""

    answers: list[bytes]
    heads: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if content:
            writer.write(content)
            await writer.drain()
        else:
            await reader.read()
        writer.close()


def response(status: int, body: bytes, kind: str = "application/json") -> bytes:
    head = [
        f"HTTP/1.1 {status} X",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


OK = response(200, b'{"id":7}')
BUSY = response(503, b"{}")


@asynccontextmanager
async def peer(*answers: bytes) -> AsyncIterator[Peer]:
    it = Peer(list(answers))
    server = await asyncio.start_server(it.answer, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield it


async def test_calls_go_through_the_proxy_of_the_environment_in_absolute_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with peer(OK) as proxy, open_client() as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await client.call("GET", "http://links/api/v1/links/7?a=b", Thing) == Thing(7)
    assert proxy.heads[0].startswith("GET http://links/api/v1/links/7?a=b HTTP/1.1\r\n")
    assert "\r\nhost: links\r\n" in proxy.heads[0].lower()


async def test_a_call_carries_the_trace_the_request_id_and_the_time_left() -> None:
    async with peer(OK) as there, open_client() as client:

        async def app(scope: object, receive: object, send: object) -> None:
            http.pass_on({"x-request-id": "r-1", "baggage": "a=b", "tracestate": "s" * 2_000, "via": "x"})
            async with deadline.deadline(30):
                await client.call("POST", there.url, Thing, body=Thing(1), token="t")

        parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        scope = {"type": "http", "path": "/", "headers": [(b"traceparent", parent)]}
        await Tracing(app, recorder=None, ratio=0)(scope, _never, _never)
    head = there.heads[0].lower()
    assert f"\r\ntraceparent: {parent.decode()}\r\n" in head
    assert "\r\nx-request-id: r-1\r\n" in head
    assert "\r\nbaggage: a=b\r\n" in head
    assert "tracestate" not in head, "longer than a peer may take"
    assert "\r\nvia:" not in head
    assert "\r\nauthorization: bearer t\r\n" in head
    left = int(head.split("\r\nx-request-timeout-ms: ")[1].split("\r\n")[0])
    assert 15_000 < left <= 30_000


async def _never(*_: object) -> Any:
    raise AssertionError("nobody reads or answers here")


async def test_a_read_is_repeated_and_a_write_is_not() -> None:
    async with peer(BUSY, OK) as there, open_client() as client:
        assert await client.call("GET", there.url, Thing) == Thing(7)
    async with peer(BUSY, OK) as there, open_client() as client:
        with pytest.raises(Unavailable):
            await client.call("POST", there.url, Thing, body=Thing(1))
        assert len(there.heads) == 1
    async with peer(BUSY, OK) as there, open_client() as client:
        key = {"idempotency-key": "k"}
        assert await client.call("POST", there.url, Thing, body=Thing(1), headers=key) == Thing(7)


async def test_repeats_end_when_their_budget_is_spent() -> None:
    async with peer(BUSY) as there, open_client() as client:
        for _ in range(20):
            with pytest.raises(Unavailable):
                await client.call("GET", there.url, Thing)
        assert len(there.heads) < 20 + http.RETRY_RESERVE + 20 * http.RETRY_SHARE + 1


async def test_a_peers_problem_is_raised_as_it_was_told() -> None:
    told = b'{"type":"x","title":"Taken","status":409,"detail":"ann is taken","name":"ann"}'
    async with peer(response(409, told, "application/problem+json")) as there, open_client() as client:
        with pytest.raises(Conflict, match="ann is taken") as raised:
            await client.call("GET", there.url, Thing)
    assert raised.value.members == {"name": "ann"}


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("https://delinkcious.example/problems/username-taken", "username-taken"),
        ("https://elsewhere.example/problems/username-taken", "conflict"),
        (None, "conflict"),
        (7, "conflict"),
    ],
)
async def test_a_peers_problem_keeps_its_type_to_be_told_from_others(told: object, known: str) -> None:
    document = msgspec.json.encode({"type": told, "status": 409})
    async with peer(response(409, document, "application/problem+json")) as there, open_client() as client:
        with pytest.raises(Conflict) as raised:
            await client.call("GET", there.url, Thing)
    assert raised.value.type == known and raised.value.members == {}


@pytest.mark.parametrize("body", [b"<html>", b'{"id":"7"}', b""])
async def test_an_answer_that_was_not_agreed_on_is_a_bad_gateway(body: bytes) -> None:
    async with peer(response(200, body)) as there, open_client() as client:
        with pytest.raises(BadGateway):
            await client.call("GET", there.url, Thing)


async def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1_000)
    async with peer(response(200, b"x" * 1_001)) as there, open_client() as client:
        with pytest.raises(BadGateway, match="more than 1000 bytes"):
            await client.call("GET", there.url, Thing)


async def test_a_peer_that_is_silent_costs_no_more_than_the_deadline() -> None:
    async with peer(b"") as there, open_client() as client:
        async with asyncio.timeout(30):
            with pytest.raises(DeadlineExceeded):
                async with deadline.deadline(0.1):
                    await client.call("GET", there.url, Thing)


async def test_a_peer_that_is_not_there_is_unavailable(free_port: Callable[[], int]) -> None:
    async with open_client() as client:
        with pytest.raises(Unavailable):
            await client.call("GET", f"http://127.0.0.1:{free_port()}/", Thing)
