"""Which RequestAuthentication and AuthorizationPolicy would let a request pass, and why."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import msgspec

from mesh.local.envoy import authorization_policy, ext_authz, request_authentication
from mesh.local.envoy.view import View
from mesh.local.explain import matching
from mesh.local.explain.answer import Place, Verdict
from mesh.local.explain.request import Request
from mesh.local.model import Json, Resource


def place(resource: Resource, *path: str | int) -> Place:
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    where = resource.source
    name = f"{resource.kind} {resource.namespace}/{resource.name}"
    return Place(name, field, where.file, where.line_of(path))


def token_claims(request: Request) -> Json | None:
    """The payload of the request's bearer token, its signature unchecked; None without one."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    parts = token.split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        return None
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        value: Any = msgspec.json.decode(text)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def authentication(view: View, claims: Json | None) -> Verdict | None:
    """What becomes of a token with these claims; None when it, or its absence, is accepted."""
    rules = request_authentication.rules(view)
    if claims is None or not rules:
        return None
    policies = tuple(place(resource, "spec") for resource in request_authentication.policies(view))
    meant = [rule for rule in rules if rule.get("issuer") in (None, claims.get("iss"))]
    if not meant:
        return Verdict(False, 401, f"issuer {claims.get('iss')!r} is not configured", policies)
    audience = claims.get("aud")
    audiences = set(audience if isinstance(audience, list) else [audience])
    if not any(not rule.get("audiences") or audiences & set(rule["audiences"]) for rule in meant):
        return Verdict(False, 403, f"audience {audience!r} is not allowed", policies)
    if not any(request_authentication.has_keys(view, rule) for rule in meant):
        return Verdict(False, 401, f"the keys of {claims.get('iss')!r} could not be fetched", policies)
    return None


def accepted(view: View, claims: Json | None) -> Json | None:
    """The claims that policies see: none where no RequestAuthentication reads tokens."""
    if claims is None or not request_authentication.rules(view):
        return None
    split = {
        name: value.split(" ")
        for name in ("scope", "permission")
        if isinstance(value := claims.get(name), str) and " " in value
    }
    return {**claims, **split}


def passed_on(view: View, claims: Json | None) -> Json | None:
    """The claims of the token that the next proxy gets: none where this one has read it and keeps it back."""
    issuer = claims.get("iss") if claims is not None else None
    read = [rule for rule in request_authentication.rules(view) if rule.get("issuer") in (None, issuer)]
    return None if read and not read[0].get("forwardOriginalToken") else claims


def authorization(view: View, request: Request, *, http: bool) -> Verdict:
    """CUSTOM rules, DENY rules, then ALLOW rules, as the proxy evaluates them."""
    custom = authorization_policy.policies(view, "CUSTOM")
    asked = _matched("CUSTOM", custom, request, http=http) if custom else ()
    if asked and (wrong := ext_authz.wrong(view, custom)):
        return Verdict(False, 403, f"a CUSTOM rule matches and nobody can be asked: {wrong}", asked)
    verdict = _decided(view, request, http=http)
    if not asked or not verdict.allowed or not (http or ext_authz.network_filters(view)):
        return verdict
    reason = f"{verdict.reason}, if {ext_authz.asks(custom)} allows it too"
    return Verdict(True, 200, reason, (*asked, *verdict.by))


def _decided(view: View, request: Request, *, http: bool) -> Verdict:
    for action in ("DENY", "ALLOW"):
        enforced = [
            resource
            for resource in authorization_policy.policies(view, action)
            if not authorization_policy.dry_run(resource)
        ]
        if not enforced:
            continue
        matched = _matched(action, enforced, request, http=http)
        if action == "DENY" and matched:
            return Verdict(False, 403, "denied by a DENY rule", matched)
        if action == "ALLOW" and not matched:
            policies = tuple(place(resource, "spec") for resource in enforced)
            missed = tuple(_missed(enforced, request, http=http))
            return Verdict(False, 403, "no ALLOW rule matches", policies, missed)
        if action == "ALLOW":
            return Verdict(True, 200, "allowed by an ALLOW rule", matched)
    return Verdict(True, 200, "no policy forbids it")


# Of a rule, by whether its permissions and its principals fit; a `when` belongs to the half it speaks of.
_HALVES = {
    (False, True): "lets the caller in, but not to this: its `to` does not fit",
    (True, False): "covers this, but not for this request: its `from` or `when` does not fit",
    (False, False): "neither its `to` nor its `from` and `when` fit",
}


def _matched(
    action: authorization_policy.Action,
    resources: list[Resource],
    request: Request,
    *,
    http: bool,
) -> tuple[Place, ...]:
    """The first rule that matches, as Envoy evaluates them: by name."""
    for rule, asked, who in _fitting(action, resources, request, http=http):
        if asked and who:
            return (rule,)
    return ()


def _missed(resources: list[Resource], request: Request, *, http: bool) -> Iterator[str]:
    """Which half of each ALLOW rule does not fit, where none matches."""
    for rule, asked, who in _fitting("ALLOW", resources, request, http=http):
        yield f"{rule.resource} {rule.field}: {_HALVES[asked, who]}"


def _fitting(
    action: authorization_policy.Action, resources: list[Resource], request: Request, *, http: bool
) -> Iterator[tuple[Place, bool, bool]]:
    """Each rule, in Envoy's order, and whether what it is for and whom it is for fit."""
    rules = authorization_policy.rbac_rules(action, resources, http=http)["policies"]
    origins = {
        authorization_policy.rule_name(resource, number): (resource, number)
        for resource in resources
        for number in range(len(resource.spec.get("rules") or []))
    }
    for name, policy in rules.items():
        resource, number = origins[name]
        asked = any(matching.rule(permission, request) for permission in policy["permissions"])
        who = any(matching.rule(principal, request) for principal in policy["principals"])
        yield place(resource, "spec", "rules", number), asked, who
