"""HTTPMatchRequest of a VirtualService: what can be told beforehand, and the rest as a RouteMatch."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mesh.local.envoy.view import selects
from mesh.local.model import Json, Proxy

CLAIMS = "@request.auth.claims"


@dataclass(frozen=True)
class Listener:
    """Where rules are translated for: a proxy, one of its listeners, and the gateways it stands for."""

    proxy: Proxy
    port: int
    gateways: frozenset[str]
    tls: bool = False

    @property
    def edge(self) -> bool:
        return self.gateways != {"mesh"}


def applies(match: Json, listener: Listener) -> bool:
    """Whether the rule exists at all on this listener; `gateways` hides the conditions on the source."""
    if match.get("port") and match["port"] != listener.port:
        return False
    gateways: Collection[str] = match.get("gateways") or ()
    if gateways:
        return not listener.gateways.isdisjoint(gateways)
    if not selects(match.get("sourceLabels"), listener.proxy.labels):
        return False
    return match.get("sourceNamespace") in (None, "", listener.proxy.namespace)


def route_match(match: Json) -> Json:
    """The RouteMatch; an empty match takes every path."""
    made = _path(match.get("uri") or {})
    made["case_sensitive"] = not match.get("ignoreUriCase", False)
    headers, metadata = [], []
    for name, text in sorted((match.get("headers") or {}).items()):
        if is_claim(name):
            metadata.append(_claim(name, text or {}))
        else:
            headers.append(_header(name, text or {}))
    without = sorted((match.get("withoutHeaders") or {}).items())
    headers += [_no_header(name, text or {}) for name, text in without if not is_claim(name)]
    metadata += [{**_claim(name, text or {}), "invert": True} for name, text in without if is_claim(name)]
    pseudo = (key for key in ("method", "authority", "scheme") if match.get(key) is not None)
    headers += [_header(f":{key}", match[key]) for key in pseudo]
    if headers:
        made["headers"] = headers
    if queries := sorted((match.get("queryParams") or {}).items()):
        made["query_parameters"] = [_header(name, text or {}) for name, text in queries]
    if metadata:
        made["dynamic_metadata"] = metadata
    return made


def catches_all(made: Json) -> bool:
    """Whether nothing after a route with this match can be reached."""
    everything = made.get("prefix") == "/" or (made.get("safe_regex") or {}).get("regex") in (".*", "*")
    return everything and not any(key in made for key in ("headers", "query_parameters", "dynamic_metadata"))


def is_claim(header: str) -> bool:
    return header.lower().startswith(CLAIMS)


def reads_claims(http: Json) -> bool:
    """Whether a rule depends on the token of a request."""
    matches = http.get("match") or []
    written = (match.get(key) or {} for match in matches for key in ("headers", "withoutHeaders"))
    return any(is_claim(name) for headers in written for name in headers)


def text_matcher(text: Json) -> Json | None:
    """A StringMatcher; None for `{}`, which asks for presence."""
    if text.get("exact") is not None:
        return {"exact": text["exact"]}
    if text.get("prefix") is not None:
        return {"prefix": text["prefix"]}
    if text.get("regex") is not None:
        return {"safe_regex": {"regex": text["regex"]}}
    return None


def _path(uri: Json) -> Json:
    if uri.get("exact") is not None:
        return {"path": uri["exact"]}
    if uri.get("regex") is not None:
        return {"safe_regex": {"regex": uri["regex"]}}
    return {"prefix": uri.get("prefix") or "/"}


def _header(name: str, text: Json) -> Json:
    matcher = text_matcher(text)
    return (
        {"name": name, "present_match": True} if matcher is None else {"name": name, "string_match": matcher}
    )


def _no_header(name: str, text: Json) -> Json:
    """The opposite, where an absent header counts as another value."""
    matcher = None if text.get("regex") == "*" else text_matcher(text)
    if matcher is None:
        return {"name": name, "present_match": True, "invert_match": True}
    return {
        "name": name,
        "string_match": matcher,
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }


def _claim(name: str, text: Json) -> Json:
    matcher = text_matcher(text)
    value = claim_value(matcher if matcher is not None else {"safe_regex": {"regex": ".+"}})
    path = [{"key": "payload"}, *({"key": part} for part in claim_path(name[len(CLAIMS) :]))]
    return {"filter": "envoy.filters.http.jwt_authn", "path": path, "value": value}


def claim_path(written: str) -> list[str]:
    """`.a.b` or `[a][b.c]` as the names inside the token, from the outside in."""
    if written.startswith("["):
        return re.findall(r"\[([^\]]*)\]", written)
    return [part for part in written.split(".") if part]


def claim_value(matcher: Json) -> Json:
    """A ValueMatcher for a claim that is one text or a list of which any may fit."""
    one: dict[str, Any] = {"string_match": matcher}
    return {"or_match": {"value_matchers": [one, {"list_match": {"one_of": one}}]}}
