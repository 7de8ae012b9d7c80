"""What an HTTP route does with a request besides sending it somewhere."""

from __future__ import annotations

import base64
import binascii
import http
import re
from typing import Any

from mesh.local.model import Json
from mesh.local.schema.duration import DURATION, nanoseconds
from mesh.local.schema.http_match import PORT, StringMatch
from mesh.local.schema.language import (
    ANY_TEXT,
    BOOL,
    Enum,
    Int,
    ListOf,
    MapOf,
    Message,
    Text,
    described,
    later,
)
from mesh.local.schema.report import At
from mesh.local.schema.text import (
    HEADER_VALUE,
    REGEX,
    header_name,
    header_to_change,
    header_to_write,
)

MAX_BODY_BYTES = 1024 * 1024  # Istio's and Envoy's bound of a direct response
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
_HTTP_STATUS = Int(200, 599, "HTTP status {} is not in range 200-599")


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


def _redirects_somewhere(redirect: Json, at: At) -> None:
    if redirect.get("uri") and redirect.get("prefixRewrite"):
        at.error("redirect may only specify one of uri or prefixRewrite")
    parts = ("uri", "prefixRewrite", "authority", "scheme", "port", "derivePort")
    if not any(redirect.get(part) for part in parts):
        at.error("redirect must specify URI, authority, scheme, or port")
    code = redirect.get("redirectCode", 0)
    if code and not 300 <= code <= 399:
        (at / "redirectCode").error(f"{code} is not a valid redirect code, must be 3xx")
    elif code not in (0, 301, 302, 303, 307, 308):
        (at / "redirectCode").warning(f"Envoy has no redirect {code}; 301 is sent")


def _redirect_scheme(text: str) -> str | None:
    return None if text in ("", "http", "https") else 'invalid redirect scheme, must be "http" or "https"'


REDIRECT = Message(
    {
        "uri": ANY_TEXT,
        "prefixRewrite": ANY_TEXT,
        "authority": ANY_TEXT,
        "scheme": Text(_redirect_scheme),
        "port": PORT,
        "derivePort": Enum("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"),
        "redirectCode": Int(0, 2**32 - 1),
    },
    one_of=[("port", "derivePort")],
    rules=[_redirects_somewhere],
)


def _body_size(body: Json, at: At) -> None:
    size = len(body.get("string", "").encode())
    if "bytes" in body:
        try:
            size = len(base64.b64decode(body["bytes"], validate=True))
        except (binascii.Error, ValueError):
            (at / "bytes").error("is not base64")
            return
    if size > MAX_BODY_BYTES:
        at.error("direct response must be less than 1MB")


DIRECT_RESPONSE = Message(
    {
        "status": _HTTP_STATUS,
        "body": Message(
            {"string": ANY_TEXT, "bytes": ANY_TEXT}, one_of=[("string", "bytes")], rules=[_body_size]
        ),
    },
    required=["status"],
)


def _rewrites_something(rewrite: Json, at: At) -> None:
    if rewrite.get("uri") and "uriRegexRewrite" in rewrite:
        at.error("rewrite may only contain one of URI or UriRegexRewrite")
    if not (rewrite.get("uri") or rewrite.get("authority") or "uriRegexRewrite" in rewrite):
        at.error("rewrite must specify at least one of URI, UriRegexRewrite, or authority")


def _both_halves(regex_rewrite: Json, at: At) -> None:
    if not regex_rewrite.get("match") or not regex_rewrite.get("rewrite"):
        at.error("UriRegexRewrite requires both Rewrite and Match fields to be specified")


REWRITE = Message(
    {
        "uri": ANY_TEXT,
        "authority": ANY_TEXT,
        "uriRegexRewrite": Message({"match": REGEX, "rewrite": ANY_TEXT}, rules=[_both_halves]),
    },
    rules=[_rewrites_something],
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
                "httpStatus": _HTTP_STATUS,
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

HEADERS = Message(
    {
        "request": Message(
            {
                "set": MapOf(HEADER_VALUE, key=header_to_write),
                "add": MapOf(HEADER_VALUE, key=header_to_write),
                "remove": ListOf(Text(header_to_change)),
            }
        ),
        "response": Message(
            {
                "set": MapOf(HEADER_VALUE, key=header_to_change),
                "add": MapOf(HEADER_VALUE, key=header_to_change),
                "remove": ListOf(Text(header_to_change)),
            }
        ),
    }
)
