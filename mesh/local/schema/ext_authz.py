"""`envoyExtAuthzHttp` and `envoyExtAuthzGrpc` of MeshConfig: services that decide about requests."""

from __future__ import annotations

import re

from mesh.local.model import Json
from mesh.local.schema.duration import DURATION
from mesh.local.schema.language import BOOL, Int, ListOf, MapOf, Message, Text, Type, later
from mesh.local.schema.report import At
from mesh.local.schema.text import ONE_LINE, fqdn, header_name

MAX_BODY_BYTES = 2**31 - 1
# The statuses that Envoy knows by name.
_STATUSES = frozenset(
    [
        *(100, *range(200, 209), 226, *range(300, 306), 307, 308),
        *(*range(400, 418), *range(421, 425), 426, 428, 429, 431, *range(500, 509), 510, 511),
    ]
)


def _service(text: str) -> str | None:
    """`HOST`, or `NAMESPACE/HOST` as istiod looks it up."""
    return fqdn(text.rpartition("/")[2])


def _status(text: str) -> str | None:
    known = not text or (re.fullmatch(r"[0-9]{3}", text, re.ASCII) and int(text) in _STATUSES)
    return None if known else f"unsupported statusOnError value {text}"


def _path_prefix(text: str) -> str | None:
    return (
        None if not text or text.startswith("/") else f'pathPrefix should begin with `/` but found "{text}"'
    )


def _header_pattern(text: str) -> str | None:
    """A header's name, of which `*` may be the beginning or the end."""
    if text == "*":
        return 'a single wildcard ("*") is not supported, change it to either prefix or suffix match'
    return header_name(text.removeprefix("*") if text.startswith("*") else text.removesuffix("*"))


def _some_bytes(body: Json, at: At) -> None:
    if "maxRequestBytes" not in body:
        (at / "maxRequestBytes").error("must be set: Envoy takes no body of 0 bytes")


_HEADERS = ListOf(Text(_header_pattern))
_COMMON: dict[str, Type] = {
    "service": Text(_service),
    "port": Int(1, 65535),
    "timeout": DURATION,
    "failOpen": BOOL,
    "clearRouteCache": later(BOOL),
    "statusOnError": Text(_status),
    "includeRequestBodyInCheck": Message(
        {
            "maxRequestBytes": Int(1, MAX_BODY_BYTES),
            "allowPartialMessage": BOOL,
            "packAsBytes": BOOL,
        },
        rules=[_some_bytes],
    ),
}
EXT_AUTHZ_GRPC = Message(_COMMON, required=["service", "port"])
EXT_AUTHZ_HTTP = Message(
    {
        **_COMMON,
        "pathPrefix": Text(_path_prefix),
        "includeHeadersInCheck": _HEADERS,
        "includeRequestHeadersInCheck": _HEADERS,
        "includeAdditionalHeadersInCheck": MapOf(ONE_LINE, key=header_name),
        "headersToUpstreamOnAllow": _HEADERS,
        "headersToDownstreamOnDeny": _HEADERS,
        "headersToDownstreamOnAllow": _HEADERS,
    },
    required=["service", "port"],
)
