"""The `match` of a VirtualService's HTTP route."""

from __future__ import annotations

import re
from typing import Any

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, BOOL, Int, ListOf, MapOf, Message
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS
from mesh.local.schema.text import DNS_LABEL, GATEWAY_NAME, header_name, regex

CLAIM_PREFIX = "@request.auth.claims"
PSEUDO_HEADERS = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
PORT = Int(1, 65535, "port number {} must be in the range 1..65535")
_CLAIM = re.compile(r"@request\.auth\.claims(?:\.[^.\[\]]+(?:\.[^.\[\]]+)*|(?:\[[^\[\]]+\])+)")
MAX_PARAMETER_BYTES = 1024  # Envoy's bound of a query parameter's name
_FORMS = ("exact", "prefix", "regex")


def is_claim(header: str) -> bool:
    """Does the header's name stand for a claim of the request's token?"""
    return header.lower().startswith(CLAIM_PREFIX)


def header_or_claim(text: str) -> str | None:
    if is_claim(text):
        return None if _CLAIM.fullmatch(text) else f"{text} is not a valid claim: write {CLAIM_PREFIX}.NAME"
    return None if text in PSEUDO_HEADERS else header_name(text)


def query_parameter(text: str) -> str | None:
    if not text:
        return "query parameter name cannot be empty"
    too_long = len(text.encode(errors="replace")) > MAX_PARAMETER_BYTES
    return f"query parameter name has more than {MAX_PARAMETER_BYTES} bytes" if too_long else None


class StringMatch:
    """exact, prefix or regex; the options say where Istio bends the rule."""

    def __init__(
        self, *, empty_prefix: bool = False, star_regex: bool = False, nonempty: bool = False
    ) -> None:
        self.empty_prefix = empty_prefix
        self.star_regex = star_regex
        self.nonempty = nonempty
        self._shape = Message(dict.fromkeys(_FORMS, ANY_TEXT), one_of=[_FORMS], rules=[self._judge])

    def check(self, value: Any, at: At) -> None:
        self._shape.check(value, at)

    def _judge(self, match: Json, at: At) -> None:
        if match.get("prefix") == "" and not self.empty_prefix:
            (at / "prefix").error("prefix string match should not be empty")
        if "regex" in match and not (self.star_regex and match["regex"] == "*"):
            reason = regex(match["regex"])
            if reason is not None:
                (at / "regex").error(reason)
        if self.nonempty and not any(match.get(form) for form in _FORMS):
            at.error("needs a text for exact, prefix or regex")


STRING_MATCH = StringMatch()
HTTP_MATCH = Message(
    {
        "name": ANY_TEXT,
        "uri": StringMatch(empty_prefix=True),
        "scheme": STRING_MATCH,
        "method": STRING_MATCH,
        "authority": STRING_MATCH,
        "headers": MapOf(STRING_MATCH, key=header_or_claim),
        "withoutHeaders": MapOf(StringMatch(star_regex=True), key=header_or_claim),
        "queryParams": MapOf(STRING_MATCH, key=query_parameter),
        "ignoreUriCase": BOOL,
        "port": PORT,
        "sourceLabels": LABELS,
        "sourceNamespace": DNS_LABEL,
        "gateways": ListOf(GATEWAY_NAME),
        "statPrefix": ANY_TEXT,
    }
)
