"""What passes through two sidecars as it is: 1xx, HEAD, upgrades, gRPC with all its parts."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

import grpc
import pytest

from tests.mesh.translate.conftest import CLIENT
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.raw_server import head_of, raw_server
from tests.mesh.translate.rules import STRICT, virtual_service

PODS = [CLIENT, Pod("proto", {"app": "proto"}, ports=(8080, 50051))]
SERVED = [service("proto", http="80:8080", grpc="50051")]


@pytest.fixture(scope="module", autouse=True)
def _servers(running: Lab) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(raw_server(running.vacate("proto", 8080)))
        stack.enter_context(_grpc_server(running.vacate("proto", 50051)))
        yield


def _say(lab: Lab, text: str) -> socket.socket:
    """A connection to the client's sidecar on which this was said, with CRLF for every line."""
    connection = socket.create_connection(lab.proxy("client").egress, timeout=20)
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


def test_a_client_that_waits_to_be_told_to_continue_is_told(lab: Lab) -> None:
    lab.apply(STRICT)
    head = "POST http://proto/continue HTTP/1.1\nHost: proto\nExpect: 100-continue\nContent-Length: 5\n\n"
    with _say(lab, head) as connection:
        assert head_of(connection).startswith("HTTP/1.1 100 ")
        connection.sendall(b"12345")
        assert head_of(connection).startswith("HTTP/1.1 200 ")
        assert connection.recv(5) == b"12345"


def test_early_hints_come_before_the_answer(lab: Lab) -> None:
    lab.apply("")
    with _say(lab, "GET http://proto/hints HTTP/1.1\nHost: proto\n\n") as connection:
        first = head_of(connection)
        assert first.startswith("HTTP/1.1 103 ")
        assert "rel=preload" in first
        assert head_of(connection).startswith("HTTP/1.1 200 ")


def test_head_has_the_length_and_no_body(lab: Lab) -> None:
    lab.apply("")
    answer = lab.get("client", "http://proto/", method="HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "5", "")
    assert answer.headers["x-answer"] == "yes"


def test_a_websocket_is_a_stream_both_ways(lab: Lab) -> None:
    lab.apply(STRICT + virtual_service("[{ route: [{ destination: { host: proto } }] }]", "proto"))
    upgrade = "GET http://proto/upgrade HTTP/1.1\nHost: proto\nConnection: Upgrade\nUpgrade: websocket\n\n"
    with _say(lab, upgrade) as connection:
        assert head_of(connection).startswith("HTTP/1.1 101 ")
        for word in (b"one", b"two"):
            connection.sendall(word)
            assert connection.recv(3) == word.upper()


PATIENCE_S = 60.0
# Who of client and proxies notices first is chance: these say it so.
OVERDUE = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)

# --- gRPC: HTTP/2 with prior knowledge, the service's name as the authority


def _left(context: grpc.ServicerContext) -> threading.Event:
    """Set once the caller has gone, or its deadline has passed."""
    left = threading.Event()
    if not context.add_callback(left.set):
        left.set()
    return left


def _unary(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_trailing_metadata((("x-trailer", "last"),))
    if request == b"left":
        return str(context.time_remaining()).encode()
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so")
    if request == b"slow":
        _left(context).wait(PATIENCE_S)  # answered when nobody waits for it any more
    return request.upper()


def _both_ways(requests: Iterable[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for request in takewhile(bool, requests):
        yield request.upper()


class _Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        if details.method == "/echo/Unary":
            return grpc.unary_unary_rpc_method_handler(_unary)
        return grpc.stream_stream_rpc_method_handler(_both_ways) if details.method == "/echo/Both" else None


@contextlib.contextmanager
def _grpc_server(address: tuple[str, int]) -> Iterator[None]:
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_Echo()])
    assert server.add_insecure_port(f"{address[0]}:{address[1]}")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


@pytest.fixture
def channel(lab: Lab) -> Iterator[grpc.Channel]:
    host, port = lab.proxy("client").egress
    options = [("grpc.default_authority", "proto:50051"), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"{host}:{port}", options) as made:
        yield made


def _unary_call(channel: grpc.Channel, name: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/echo/{name}")
    return call


def test_a_grpc_call_has_its_trailers_and_its_status(lab: Lab, channel: grpc.Channel) -> None:
    lab.apply(STRICT)
    call = _unary_call(channel, "Unary")
    answer, outcome = call.with_call(b"hello", timeout=20)
    assert answer == b"HELLO"
    assert ("x-trailer", "last") in [tuple(item) for item in outcome.trailing_metadata()]
    with pytest.raises(grpc.RpcError) as raised:
        call(b"fail", timeout=20)
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not so")
    with pytest.raises(grpc.RpcError) as unknown:
        _unary_call(channel, "Nothing")(b"", timeout=20)
    assert unknown.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_answers_while_it_is_asked(lab: Lab, channel: grpc.Channel) -> None:
    lab.apply("")
    answers: list[bytes] = []

    def asked() -> Iterator[bytes]:
        for word in (b"one", b"two", b"three"):
            yield word
            while not answers or answers[-1] != word.upper():
                time.sleep(0.01)  # the next is asked only after the answer to this one

    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/echo/Both")
    for answer in call(asked(), timeout=20):
        answers.append(answer)  # noqa: PERF402
    assert answers == [b"ONE", b"TWO", b"THREE"]


def test_a_callers_deadline_reaches_the_server_and_is_capped_by_the_rule(
    lab: Lab, channel: grpc.Channel
) -> None:
    lab.apply("")
    call = _unary_call(channel, "Unary")
    assert 20 < float(call(b"left", timeout=30)) <= 30
    with pytest.raises(grpc.RpcError) as late:
        call(b"slow", timeout=0.3)
    assert late.value.code() in OVERDUE
    capped = "[{ timeout: 0.2s, route: [{ destination: { host: proto } }] }]"
    lab.apply(virtual_service(capped, "proto"))
    with pytest.raises(grpc.RpcError) as cut:
        call(b"slow", timeout=30)
    assert cut.value.code() == grpc.StatusCode.UNAVAILABLE
