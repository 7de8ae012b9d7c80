"""A problem as a gRPC status and back: the code for proxies and programs, the whole document beside it."""

from __future__ import annotations

from typing import Any

import grpc
import msgspec

from services.kit.errors import BadGateway, Problem, by_status
from telemetry.traces import current_trace_id

# Trailing metadata with the problem as JSON; binary, since a text there is ASCII.
PROBLEM = "problem-bin"
MAX_DETAIL_CHARACTERS = 500

_Code = grpc.StatusCode
_CODES = {
    400: _Code.INVALID_ARGUMENT,
    401: _Code.UNAUTHENTICATED,
    403: _Code.PERMISSION_DENIED,
    404: _Code.NOT_FOUND,
    405: _Code.UNIMPLEMENTED,
    409: _Code.ABORTED,
    412: _Code.FAILED_PRECONDITION,
    413: _Code.INVALID_ARGUMENT,
    415: _Code.INVALID_ARGUMENT,
    422: _Code.INVALID_ARGUMENT,
    428: _Code.FAILED_PRECONDITION,
    429: _Code.RESOURCE_EXHAUSTED,
    503: _Code.UNAVAILABLE,
    504: _Code.DEADLINE_EXCEEDED,
}
_STATUSES = {code: status for status, code in reversed(_CODES.items())}


def code_of(problem: Problem) -> grpc.StatusCode:
    """The status code; INTERNAL for what is the server's own fault."""
    return _CODES.get(problem.status, _Code.INTERNAL)


def trailing(problem: Problem) -> tuple[tuple[str, bytes], ...]:
    """The metadata that carries the whole problem, with the trace id to ask about."""
    document = problem.document()
    if trace_id := current_trace_id():
        document["trace_id"] = trace_id
    return ((PROBLEM, msgspec.json.encode(document)),)


def problem_of(error: grpc.aio.AioRpcError, host: str) -> Problem:
    """What a peer answered, as a problem here; its own fault is a BadGateway."""
    members: dict[str, Any] = {}
    for name, value in error.trailing_metadata() or ():
        if name == PROBLEM and isinstance(value, bytes):
            try:
                members = msgspec.json.decode(value, type=dict[str, Any])
            except msgspec.MsgspecError:
                members = {}
    kind = by_status(_STATUSES.get(error.code(), 500))
    if kind.status == 500:
        kind = BadGateway
    detail = str(members.pop("detail", "") or error.details() or f"{host} answered {error.code().name}")
    for taken in ("type", "title", "status", "trace_id"):
        members.pop(taken, None)
    problem = kind(detail[:MAX_DETAIL_CHARACTERS])
    problem.members = members
    return problem
