"""gRPC: the span of a call that is served, and of one that is made."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import grpc
from opentelemetry.trace import Span, SpanKind

from telemetry.recording import Recorder
from telemetry.traces import (
    TRACEPARENT,
    current_recorder,
    current_traceparent,
    ended,
    fail,
    serving,
    traceparent_of,
)

SYSTEM = "grpc"
# What a server is to blame for, by the conventions; a client counts everything else than OK.
SERVER_FAULTS = frozenset(
    ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
)


@contextmanager
def serving_call(
    method: str, traceparent: str, recorder: Recorder | None, ratio: float
) -> Iterator[Span | None]:
    """Serve a call in the block; `method` is `package.Service/Method`."""
    known = {"rpc.system.name": SYSTEM, "rpc.method": method}
    refused: grpc.aio.AbortError | None = None
    with serving(method, traceparent, recorder, ratio, known) as span:
        try:
            yield span
        except grpc.aio.AbortError as error:
            # How a server answers with another code than OK: no fault by itself.
            refused = error
    if refused is not None:
        raise refused


@contextmanager
def calling(method: str, host: str, port: int, metadata: MutableMapping[str, str]) -> Iterator[Span | None]:
    """Make a call in the block: puts `traceparent` into `metadata`, gives the span, when there is one."""
    recorder = current_recorder()
    if recorder is None:
        if onward := current_traceparent():
            metadata[TRACEPARENT] = onward
        yield None
        return
    known: dict[str, str | int] = {"rpc.system.name": SYSTEM, "rpc.method": method, "server.address": host}
    if port:
        known["server.port"] = port
    span = recorder.child(method, SpanKind.CLIENT, known)
    metadata[TRACEPARENT] = traceparent_of(span)
    with ended(span):
        yield span


def answered(span: Span | None, code: str, *, here: bool) -> None:
    """Note the status code's name (`OK`); `here`: we are the server."""
    if span is None:
        return
    span.set_attribute("rpc.response.status_code", code)
    if code in SERVER_FAULTS if here else code != "OK":
        fail(span, code)
