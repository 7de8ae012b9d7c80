"""RequestAuthentication: the JWT filter of a workload's inbound side or of a gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mesh.local.envoy.http import filter_
from mesh.local.envoy.view import View, selects
from mesh.local.model import ROOT_NAMESPACE, Json, Resource

# Good tokens that a proxy knows again, of each issuer; each takes about two kilobytes.
REMEMBERED_TOKENS = 1_000
FILTER = "envoy.filters.http.jwt_authn"
PAYLOAD = "payload"

# The public half of a key that was thrown away: no token verifies against it.
NO_KEYS = (
    '{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig",'
    '"x":"mcswaIoK-R0ZGTGBBLLrWzbPNvinNSTrQaXkjQ9rcng",'
    '"y":"NDvBp-67GWTq9kjt2y-JSkTlUlfew7b3wP_MUG5_VMs"}]}'
)


def policies(view: View) -> list[Resource]:
    """Those that select the proxy: of the root namespace and of its own."""
    return [
        resource
        for resource in view.config.of("RequestAuthentication")
        if resource.namespace in (ROOT_NAMESPACE, view.proxy.namespace)
        and selects((resource.spec.get("selector") or {}).get("matchLabels"), view.proxy.labels)
    ]


def rules(view: View) -> list[Json]:
    """Every JWT rule in force, by issuer."""
    every = [rule for resource in policies(view) for rule in resource.spec.get("jwtRules") or []]
    return sorted(every, key=lambda rule: str(rule.get("issuer", "")))


def jwt_filters(view: View, *, clear_route_cache: bool = False) -> list[Json]:
    """The filter, or nothing; `clear_route_cache` where routes depend on claims."""
    made = [_provider(view, rule, clear_route_cache=clear_route_cache) for rule in rules(view)]
    if not made:
        return []
    return [
        filter_(
            FILTER,
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            providers={f"origins-{number}": provider for number, provider in enumerate(made)},
            rules=[{"match": {"prefix": "/"}, "requires": _requires(len(made))}],
            bypass_cors_preflight=True,
        )
    ]


def _requires(count: int) -> Json:
    """A valid token of any issuer, or none at all; with several issuers each may find its own missing."""
    providers: list[Json] = [{"provider_name": f"origins-{number}"} for number in range(count)]
    missing: Json = {"allow_missing": {}}
    if count == 1:
        return _any([*providers, missing])
    each = [_any([provider, missing]) for provider in providers]
    return _any([*providers, {"requires_all": {"requirements": each}}])


def _any(requirements: Sequence[Json]) -> Json:
    return {"requires_any": {"requirements": list(requirements)}}


def _provider(view: View, rule: Json, *, clear_route_cache: bool) -> Json:
    made: Json = {
        "issuer": rule.get("issuer", ""),
        "local_jwks": {"inline_string": _keys(view, rule)},
        "forward": bool(rule.get("forwardOriginalToken")),
        "payload_in_metadata": PAYLOAD,
        "normalize_payload_in_metadata": {
            "space_delimited_claims": ["scope", "permission", *(rule.get("spaceDelimitedClaims") or [])]
        },
        # Its times are judged at every use, its signature once: that takes a fifth of what a request costs.
        "jwt_cache_config": {"jwt_cache_size": REMEMBERED_TOKENS},
    }
    if rule.get("audiences"):
        made["audiences"] = rule["audiences"]
    if rule.get("outputPayloadToHeader"):
        made["forward_payload_header"] = rule["outputPayloadToHeader"]
    if rule.get("fromHeaders"):
        made["from_headers"] = [_from_header(place) for place in rule["fromHeaders"]]
    for key, field in (("fromParams", "from_params"), ("fromCookies", "from_cookies")):
        if rule.get(key):
            made[field] = rule[key]
    if claims := rule.get("outputClaimToHeaders"):
        made["claim_to_headers"] = [
            {"header_name": claim["header"], "claim_name": claim["claim"]} for claim in claims
        ]
    if clear_route_cache:
        made["clear_route_cache"] = True
    return made


def _from_header(place: Json) -> Json:
    made = {"name": place["name"]}
    return {**made, "value_prefix": place["prefix"]} if place.get("prefix") else made


def _keys(view: View, rule: Json) -> str:
    """The JWKS text: written, or fetched beforehand; what is no key set lets no token pass."""
    text = rule.get("jwks") or view.jwks.get(rule.get("jwksUri") or "")
    return text if text and _is_key_set(text) else NO_KEYS


def has_keys(view: View, rule: Json) -> bool:
    """Whether any token of the rule's issuer can be good."""
    return _keys(view, rule) is not NO_KEYS


def _is_key_set(text: str) -> bool:
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    keys = value.get("keys") if isinstance(value, dict) else None
    return isinstance(keys, list) and bool(keys) and all(isinstance(key, dict) for key in keys)
