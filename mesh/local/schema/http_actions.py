"""What an HTTP route makes of a request: another address, an answer, other headers."""

from __future__ import annotations

import base64
import binascii

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.language import (
    ANY_TEXT,
    Enum,
    Int,
    ListOf,
    MapOf,
    Message,
    Text,
)
from mesh.local.schema.report import At
from mesh.local.schema.text import (
    HEADER_VALUE,
    ONE_LINE,
    REGEX,
    header_to_change,
    header_to_write,
)

MAX_BODY_BYTES = 1024 * 1024  # Istio's and Envoy's bound of a direct response
HTTP_STATUS = Int(200, 599, "HTTP status {} is not in range 200-599")


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
        (at / "redirectCode").error(f"Envoy has no redirect {code}, and refuses all routes with it")


def _redirect_scheme(text: str) -> str | None:
    return None if text in ("", "http", "https") else 'invalid redirect scheme, must be "http" or "https"'


REDIRECT = Message(
    {
        "uri": ONE_LINE,
        "prefixRewrite": ONE_LINE,
        "authority": ONE_LINE,
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
        "status": HTTP_STATUS,
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
        "uri": ONE_LINE,
        "authority": ONE_LINE,
        "uriRegexRewrite": Message({"match": REGEX, "rewrite": ONE_LINE}, rules=[_both_halves]),
    },
    rules=[_rewrites_something],
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
