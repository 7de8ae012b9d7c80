"""RequestAuthentication."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from mesh.local.model import Json
from mesh.local.schema.duration import DURATION
from mesh.local.schema.language import ANY_TEXT, BOOL, Enum, ListOf, Message, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.selectors import ONE_SELECTOR, TARGET_REF, TARGET_REFS, WORKLOAD_SELECTOR
from mesh.local.schema.text import NOT_EMPTY, strict_header_name

_MAX_URI = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})  # members of a JWK that keep a secret


def _jwks_uri(text: str) -> str | None:
    if len(text) > _MAX_URI:
        return f"must have at most {_MAX_URI} characters"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    if parts.scheme not in ("http", "https"):
        return f'URI scheme "{parts.scheme}" is not supported, must be http or https'
    return None if parts.hostname and port != 0 else "names no host"


def _keys(rule: Json, at: At) -> None:
    text = rule.get("jwks")
    if not text:
        return
    place = at / "jwks"
    try:
        keys = msgspec.json.decode(text, type=dict[str, list[dict[str, object]]], strict=False).get("keys")
    except msgspec.ValidationError:
        keys = None
    except msgspec.DecodeError as error:
        place.error(f"jwks parse error: {error}")
        return
    if not keys or not all(isinstance(key.get("kty"), str) for key in keys):
        place.error('jwks parse error: must be {"keys": [{"kty": ...}, ...]}')
    elif any(_PRIVATE & key.keys() for key in keys):
        place.warning("holds private or symmetric keys; only public keys are needed to verify tokens")


def _issuer_or_uri(rule: Json, at: At) -> None:
    if not rule.get("issuer") and not rule.get("jwksUri"):
        at.error("issuer or jwksUri must be non-empty string")
    if rule.get("issuer") and not rule.get("jwks") and not rule.get("jwksUri"):
        at.unsupported("the keys by OpenID discovery from the issuer; write jwks or jwksUri")


JWT_RULE = Message(
    {
        "issuer": NOT_EMPTY,
        "audiences": ListOf(NOT_EMPTY),
        "jwks": ANY_TEXT,
        "jwksUri": Text(_jwks_uri),
        "jwks_uri": later(ANY_TEXT, "write jwksUri"),
        "fromHeaders": ListOf(
            Message({"name": NOT_EMPTY, "prefix": ANY_TEXT}, required=["name"]),
        ),
        "fromParams": ListOf(NOT_EMPTY),
        "fromCookies": ListOf(NOT_EMPTY),
        "forwardOriginalToken": BOOL,
        "outputPayloadToHeader": ANY_TEXT,
        "outputClaimToHeaders": ListOf(
            Message({"header": Text(strict_header_name), "claim": NOT_EMPTY}, required=["header", "claim"])
        ),
        "timeout": DURATION,
        "spaceDelimitedClaims": ListOf(NOT_EMPTY, most=64),
        "presence": later(Enum("OPTIONAL", "REQUIRED")),
    },
    one_of=[("jwks", "jwksUri", "jwks_uri")],
    rules=[_issuer_or_uri, _keys],
)

SPEC = Message(
    {
        "selector": WORKLOAD_SELECTOR,
        "jwtRules": ListOf(JWT_RULE),
        "targetRef": TARGET_REF,
        "targetRefs": TARGET_REFS,
    },
    one_of=[ONE_SELECTOR],
)
