"""Conditions of an AuthorizationPolicy as matchers of Envoy's RBAC filters.

A condition becomes a Permission (what is asked for) or a Principal (who asks); each function takes one
written value. Both kinds know `header`, `metadata` and the boolean forms under the same names.
"""

from __future__ import annotations

import ipaddress
import re

from mesh.local.envoy.matches import claim_path, claim_value
from mesh.local.envoy.request_authentication import FILTER, PAYLOAD
from mesh.local.model import Json

_SPIFFE = "spiffe://"
_TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def text(value: str, *, ignore_case: bool = False) -> Json:
    """A StringMatcher for `x`, `x*`, `*x` or `*` (anything but nothing)."""
    made: Json
    if value == "*":
        return {"safe_regex": {"regex": ".+"}}
    if value.startswith("*"):
        made = {"suffix": value[1:]}
    elif value.endswith("*"):
        made = {"prefix": value[:-1]}
    else:
        made = {"exact": value}
    return {**made, "ignore_case": True} if ignore_case else made


def header(name: str, value: str, *, ignore_case: bool = False) -> Json:
    if value == "*":
        return {"header": {"name": name, "present_match": True}}
    return {"header": {"name": name, "string_match": text(value, ignore_case=ignore_case)}}


# --- principals


def principal(value: str) -> Json:
    """`TRUST_DOMAIN/ns/NAMESPACE/sa/NAME`, as it stands in the peer's certificate."""
    if value == "*":
        return _authenticated({"safe_regex": {"regex": f"{_SPIFFE}.+"}})
    if value.startswith("*"):
        return _authenticated({"safe_regex": {"regex": f"{_SPIFFE}.*{re.escape(value[1:])}"}})
    made = text(value)
    return _authenticated({kind: _SPIFFE + part for kind, part in made.items()})


def namespace(value: str) -> Json:
    return _authenticated({"safe_regex": {"regex": f".*/ns/{_wildcards(value)}/.*"}})


def service_account(value: str, own_namespace: str) -> Json:
    ns, _, name = value.rpartition("/")
    path = f"/ns/{re.escape(ns or own_namespace)}/sa/{re.escape(name)}"
    return _authenticated({"safe_regex": {"regex": f"{_SPIFFE}[^/]+{path}"}})


def trust_domain(value: str) -> Json:
    return _authenticated({"safe_regex": {"regex": f"{_SPIFFE}{_wildcards(value)}/.*"}})


def direct_ip(value: str) -> Json:
    return {"direct_remote_ip": _cidr(value)}


def remote_ip(value: str) -> Json:
    return {"remote_ip": _cidr(value)}


def request_principal(value: str) -> Json:
    """`ISSUER/SUBJECT` of a verified token; the subject begins after the last slash."""
    issuer, slash, subject = value.rpartition("/")
    if slash:
        both = (text(issuer), text(subject))
    elif value.startswith("*"):
        both = (text("*"), text(value))
    else:
        both = (text(value), text("*" if value.endswith("*") else ""))
    return {
        "and_ids": {"ids": [claim([name], match) for name, match in zip(("iss", "sub"), both, strict=True)]}
    }


def claim(path: list[str], matcher: Json) -> Json:
    keys = [{"key": PAYLOAD}, *({"key": key} for key in path)]
    return {"metadata": {"filter": FILTER, "path": keys, "value": claim_value(matcher)}}


def claim_of(key: str, value: str) -> Json:
    """`request.auth.claims[a][b]`."""
    return claim(claim_path(key.removeprefix("request.auth.claims")), text(value))


# --- permissions


def host(value: str) -> Json:
    return header(":authority", value, ignore_case=True)


def method(value: str) -> Json:
    return header(":method", value)


def path(value: str) -> Json:
    """Without query and fragment; `{*}` is one segment, `{**}` any number."""
    if "{*}" in value or "{**}" in value:
        template = value.replace("{**}", "**").replace("{*}", "*")
        config = {"@type": _TEMPLATE, "path_template": template}
        return {"uri_template": {"name": "uri-template", "typed_config": config}}
    return {"url_path": {"path": text(value)}}


def port(value: str) -> Json:
    """The workload's port, which is where its sidecar listens."""
    return {"destination_port": int(value)}


def destination_ip(value: str) -> Json:
    return {"destination_ip": _cidr(value)}


def server_name(value: str) -> Json:
    return {"requested_server_name": text(value)}


def filter_metadata(key: str, value: str) -> Json:
    """`experimental.envoy.filters.a.b[c]`: key `c` of what the filter `envoy.filters.a.b` left."""
    name, _, inner = key.removeprefix("experimental.").partition("[")
    keys = [{"key": part} for part in inner.rstrip("]").split("][") if part]
    if value.startswith("[") and value.endswith("]"):
        matcher: Json = {"list_match": {"one_of": {"string_match": text(value[1:-1])}}}
    else:
        matcher = {"string_match": text(value)}
    return {"metadata": {"filter": name, "path": keys, "value": matcher}}


def _authenticated(matcher: Json) -> Json:
    return {"authenticated": {"principal_name": matcher}}


def _wildcards(value: str) -> str:
    return ".*".join(re.escape(part) for part in value.split("*"))


def _cidr(value: str) -> Json:
    network = ipaddress.ip_network(value, strict=False)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
