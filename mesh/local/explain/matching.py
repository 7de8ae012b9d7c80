"""Envoy's matchers, carried out in Python on the very resources that Envoy is given."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

from mesh.local.explain.request import Request
from mesh.local.model import Json


def text(matcher: Json, value: str) -> bool:
    """A StringMatcher."""
    if "safe_regex" in matcher:
        return regex(matcher["safe_regex"]["regex"], value)
    fold = matcher.get("ignore_case", False)
    subject = value.lower() if fold else value
    for kind, test in (("exact", str.__eq__), ("prefix", str.startswith), ("suffix", str.endswith)):
        if kind in matcher:
            wanted = matcher[kind].lower() if fold else matcher[kind]
            return bool(test(subject, wanted))
    return False


def regex(pattern: str, value: str) -> bool:
    """RE2 on the whole text; what Python's dialect cannot read matches nothing."""
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return False


def header(matcher: Json, value: str | None) -> bool:
    """A HeaderMatcher or a QueryParameterMatcher on a value, None when there is none."""
    if matcher.get("present_match"):
        return (value is not None) is not bool(matcher.get("invert_match"))
    if value is None:
        if not matcher.get("treat_missing_header_as_empty"):
            return False
        value = ""
    return text(matcher["string_match"], value) is not bool(matcher.get("invert_match"))


def route(match: Json, request: Request) -> bool:
    """A RouteMatch."""
    if "connect_matcher" in match:
        return request.method == "CONNECT"
    if request.method == "CONNECT":
        return False
    query = request.query
    return (
        _path(match, request.path_alone)
        and all(header(part, request.header(part["name"])) for part in match.get("headers", ()))
        and all(header(part, query.get(part["name"])) for part in match.get("query_parameters", ()))
        and all(metadata(part, request) for part in match.get("dynamic_metadata", ()))
    )


def _path(match: Json, path: str) -> bool:
    if "safe_regex" in match:
        return regex(match["safe_regex"]["regex"], path)
    fold = not match.get("case_sensitive", True)
    subject = path.lower() if fold else path
    wanted: str = match["path"] if "path" in match else match["prefix"]
    wanted = wanted.lower() if fold else wanted
    return subject == wanted if "path" in match else subject.startswith(wanted)


def best_domain(authority: str, domains: Iterable[str]) -> str | None:
    """The domain that Envoy picks: exact, else the longest with a leading `*`, else `*`."""
    candidates = set(domains)
    if authority in candidates:
        return authority
    wild = (domain for domain in candidates if domain.startswith("*") and authority.endswith(domain[1:]))
    return max(wild, key=len, default=None)


def metadata(matcher: Json, request: Request) -> bool:
    """A MetadataMatcher, for what the JWT filter left: a token's payload."""
    value: Any = {"payload": request.claims} if request.claims is not None else {}
    for step in matcher["path"]:
        value = value.get(step["key"]) if isinstance(value, dict) else None
    return _value(matcher["value"], value) is not bool(matcher.get("invert"))


def _value(matcher: Json, value: Any) -> bool:
    if "or_match" in matcher:
        return any(_value(part, value) for part in matcher["or_match"]["value_matchers"])
    if "list_match" in matcher:
        return isinstance(value, list) and any(_value(matcher["list_match"]["one_of"], one) for one in value)
    return isinstance(value, str) and text(matcher["string_match"], value)


def rule(matcher: Json, request: Request) -> bool:
    """A Permission or a Principal of an RBAC policy."""
    (kind, body), *_ = matcher.items()
    if kind in ("and_rules", "and_ids"):
        return all(rule(part, request) for part in _parts(body))
    if kind in ("or_rules", "or_ids"):
        return any(rule(part, request) for part in _parts(body))
    if kind in ("not_rule", "not_id"):
        return not rule(body, request)
    if kind == "any":
        return True
    if kind == "header":
        return header(body, request.header(body["name"]))
    if kind == "metadata":
        return body["filter"] == "envoy.filters.http.jwt_authn" and metadata(body, request)
    return _connection(kind, body, request)


def _connection(kind: str, body: Any, request: Request) -> bool:
    if kind == "authenticated":
        return request.principal is not None and text(body["principal_name"], request.principal)
    if kind == "url_path":
        return text(body["path"], request.path_alone)
    if kind == "uri_template":
        return template(body["typed_config"]["path_template"], request.path_alone)
    if kind == "destination_port":
        return bool(body == request.port)
    if kind == "destination_ip":
        return _inside(body, request.destination_ip)
    if kind == "direct_remote_ip":
        return _inside(body, request.source_ip)
    if kind == "remote_ip":
        return _inside(body, request.remote_ip or request.source_ip)
    if kind == "requested_server_name":
        return text(body, request.server_name)
    return False


def template(pattern: str, path: str) -> bool:
    """Envoy's URI template: `*` is one segment that is not empty, `**` whatever remains."""
    translated = "".join(
        {"**": ".*", "*": "[^/]+"}.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", pattern)
    )
    return re.fullmatch(translated, path) is not None


def _parts(body: Json) -> Sequence[Json]:
    parts: Sequence[Json] = body.get("rules") or body.get("ids") or ()
    return parts


def _inside(cidr: Json, address: str) -> bool:
    if not address:
        return False
    network = ipaddress.ip_network(f"{cidr['address_prefix']}/{cidr['prefix_len']}")
    return ipaddress.ip_address(address) in network
