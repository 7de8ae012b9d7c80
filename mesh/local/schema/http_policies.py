"""What befalls a request of an HTTP route on its way: retries, faults, CORS."""

from __future__ import annotations

import http
import re
from typing import Any

from mesh.local.model import Json
from mesh.local.schema.duration import DURATION, nanoseconds
from mesh.local.schema.http_actions import HTTP_STATUS
from mesh.local.schema.http_match import StringMatch
from mesh.local.schema.language import (
    ANY_TEXT,
    BOOL,
    Enum,
    Int,
    ListOf,
    Message,
    Text,
    described,
    later,
)
from mesh.local.schema.report import At
from mesh.local.schema.text import header_name

RETRY_ON = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
GRPC_STATUSES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"]
_STATUS_CODES = frozenset(status.value for status in http.HTTPStatus)


class Percent:
    """Percent{value}: 0, or at least a ten-thousandth, up to 100."""

    _shape = Message({"value": ANY_TEXT})

    def check(self, value: Any, at: At) -> None:
        if type(value) is not dict:
            at.misshapen(f"must be an object with a value, not {described(value)}")
            return
        percent = value.get("value", 0)
        if type(percent) not in (int, float):
            (at / "value").misshapen(f"must be a number, not {described(percent)}")
        elif not (percent == 0 or 0.0001 <= percent <= 100):
            (at / "value").error(f"percentage {percent} is neither 0.0, nor in range [0.0001, 100.0]")
        for name in value.keys() - {"value"}:
            Message({"value": ANY_TEXT}).check({name: value[name]}, at)


PERCENT = Percent()


def _retry_on(text: str) -> str | None:
    for policy in text.split(",") if text else []:
        is_code = re.fullmatch(r"[0-9]{3}", policy, re.ASCII) and int(policy) in _STATUS_CODES
        if not is_code and policy not in RETRY_ON:
            return f'"{policy}" is not a valid retryOn policy'
    return None


def _retries_at_all(retries: Json, at: At) -> None:
    pointless = {"perTryTimeout", "retryOn", "retryRemoteLocalities"} & retries.keys()
    if not retries.get("attempts") and pointless:
        at.error("http retry policy configured when attempts are set to 0 (disabled)")


RETRIES = Message(
    {
        "attempts": Int(0, 2**31 - 1, "attempts cannot be negative"),
        "perTryTimeout": DURATION,
        "retryOn": Text(_retry_on),
        "backoff": DURATION,
        "retryRemoteLocalities": BOOL,
        "retryIgnorePreviousHosts": BOOL,
    },
    rules=[_retries_at_all],
)


def _some_fault(fault: Json, at: At) -> None:
    if not fault:
        at.error("HTTP fault injection must have an abort and/or a delay")


def _grpc_status(text: str) -> str | None:
    if text in GRPC_STATUSES:
        return None
    return f'gRPC status "{text}" is not supported, for example "NOT_FOUND" is'


def _abort_effect(abort: Json, at: At) -> None:
    if "httpStatus" not in abort and "grpcStatus" not in abort:
        at.warning("abort configured, but error type not set")
    if "percentage" not in abort:
        at.warning("without a percentage nothing is aborted")


def _delay_effect(delay: Json, at: At) -> None:
    if "percentage" not in delay and "percent" not in delay:
        at.warning("without a percentage nothing is delayed")


FAULT = Message(
    {
        "abort": Message(
            {
                "httpStatus": HTTP_STATUS,
                "grpcStatus": Text(_grpc_status),
                "http2Error": later(
                    ANY_TEXT, "HTTP/2 abort fault injection not supported yet, by Istio neither"
                ),
                "percentage": PERCENT,
            },
            one_of=[("httpStatus", "grpcStatus", "http2Error")],
            rules=[_abort_effect],
        ),
        "delay": Message(
            {
                "fixedDelay": DURATION,
                "exponentialDelay": later(DURATION, "exponentialDelay not supported yet, by Istio neither"),
                "percentage": PERCENT,
                "percent": Int(0, 100, "percentage {} is not in range 0..100"),
            },
            one_of=[("fixedDelay", "exponentialDelay")],
            rules=[_delay_effect],
        ),
    },
    rules=[_some_fault],
)


def _cors_header(text: str) -> str | None:
    return None if text == "*" else header_name(text)


def _whole_seconds(policy: Json, at: At) -> None:
    length = nanoseconds(policy.get("maxAge", "0"))
    if length and length % 1_000_000_000:
        (at / "maxAge").error("maxAge duration is accurate only to seconds precision")


CORS_POLICY = Message(
    {
        "allowOrigins": ListOf(StringMatch(nonempty=True)),
        "allowOrigin": ListOf(ANY_TEXT),
        "allowMethods": ListOf(Enum(*_METHODS)),
        "allowHeaders": ListOf(Text(_cors_header)),
        "exposeHeaders": ListOf(Text(_cors_header)),
        "maxAge": DURATION,
        "allowCredentials": BOOL,
        "unmatchedPreflights": Enum("UNSPECIFIED", "FORWARD", "IGNORE"),
    },
    rules=[_whole_seconds],
)
