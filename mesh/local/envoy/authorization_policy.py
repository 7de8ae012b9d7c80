"""AuthorizationPolicy: the RBAC filters of a workload's inbound side or of a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mesh.local.envoy import rbac
from mesh.local.envoy.http import filter_
from mesh.local.envoy.trust_domains import widened
from mesh.local.envoy.view import View, selects
from mesh.local.model import ROOT_NAMESPACE, Json, Resource

Action = Literal["CUSTOM", "AUDIT", "DENY", "ALLOW"]
ORDER: tuple[Action, ...] = ("AUDIT", "DENY", "ALLOW")
_ENVOY_ACTIONS = {"CUSTOM": "DENY", "AUDIT": "LOG", "DENY": "DENY", "ALLOW": "ALLOW"}
DRY_RUN = "istio.io/dry-run"

HTTP_RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
NETWORK_RBAC = "envoy.extensions.filters.network.rbac.v3.RBAC"

One = Callable[[str], Json]


@dataclass(frozen=True)
class Condition:
    """A field or a `when` key: what its values mean, and whether only HTTP has it."""

    matcher: One
    http: bool = False
    permission: bool = False


SOURCES: Mapping[str, Condition] = {
    "principals": Condition(rbac.principal),
    "requestPrincipals": Condition(rbac.request_principal, http=True),
    "namespaces": Condition(rbac.namespace),
    "trustDomains": Condition(rbac.trust_domain),
    "ipBlocks": Condition(rbac.direct_ip),
    "remoteIpBlocks": Condition(rbac.remote_ip),
}
OPERATIONS: Mapping[str, Condition] = {
    "hosts": Condition(rbac.host, http=True, permission=True),
    "ports": Condition(rbac.port, permission=True),
    "methods": Condition(rbac.method, http=True, permission=True),
    "paths": Condition(rbac.path, http=True, permission=True),
}
WHEN: Mapping[str, Condition] = {
    "source.ip": SOURCES["ipBlocks"],
    "remote.ip": SOURCES["remoteIpBlocks"],
    "source.namespace": SOURCES["namespaces"],
    "source.principal": SOURCES["principals"],
    "source.trustDomain": SOURCES["trustDomains"],
    "request.auth.principal": SOURCES["requestPrincipals"],
    "request.auth.audiences": Condition(lambda value: rbac.claim(["aud"], rbac.text(value)), http=True),
    "request.auth.presenter": Condition(lambda value: rbac.claim(["azp"], rbac.text(value)), http=True),
    "destination.ip": Condition(rbac.destination_ip, permission=True),
    "destination.port": OPERATIONS["ports"],
    "connection.sni": Condition(rbac.server_name, permission=True),
}


def policies(view: View, action: Action) -> list[Resource]:
    """Those of one action that select the proxy: of the root namespace and of its own."""
    domains = view.mesh.trust_domains
    return [
        widened(resource, domains)
        for resource in view.config.of("AuthorizationPolicy")
        if resource.namespace in (ROOT_NAMESPACE, view.proxy.namespace)
        and (resource.spec.get("action") or "ALLOW") == action
        and selects((resource.spec.get("selector") or {}).get("matchLabels"), view.proxy.labels)
    ]


def http_filters(view: View) -> list[Json]:
    return [filter_("envoy.filters.http.rbac", HTTP_RBAC, **config) for config in _configs(view, http=True)]


def network_filters(view: View) -> list[Json]:
    return [
        filter_("envoy.filters.network.rbac", NETWORK_RBAC, stat_prefix="tcp.", **config)
        for config in _configs(view, http=False)
    ]


def _configs(view: View, *, http: bool) -> Iterator[Json]:
    """One filter's `rules` and `shadow_rules` per action that some policy has."""
    for action in ORDER:
        every = policies(view, action)
        enforced = [resource for resource in every if not dry_run(resource)]
        shadow = [resource for resource in every if dry_run(resource)]
        config: Json = {}
        if enforced:
            config["rules"] = rbac_rules(action, enforced, http=http)
        if shadow:
            config["shadow_rules"] = rbac_rules(action, shadow, http=http)
            config["shadow_rules_stat_prefix"] = f"istio_dry_run_{action.lower()}_"
        if config:
            yield config


def dry_run(resource: Resource) -> bool:
    """A rule on trial is judged and logged, never enforced; the annotation is a boolean as Go reads it."""
    return resource.annotations.get(DRY_RUN) in ("1", "t", "T", "TRUE", "true", "True")


def rule_name(resource: Resource, number: int) -> str:
    return f"ns[{resource.namespace}]-policy[{resource.name}]-rule[{number}]"


def rbac_rules(
    action: Action,
    resources: Sequence[Resource],
    *,
    http: bool,
    name: Callable[[Resource, int], str] = rule_name,
) -> Json:
    """An Envoy RBAC: one policy per rule, by name, which is the order of their evaluation."""
    made = {
        name(resource, number): policy
        for resource in resources
        for number, rule in enumerate(resource.spec.get("rules") or [])
        if (policy := _policy(action, resource.namespace, rule or {}, http=http)) is not None
    }
    return {"action": _ENVOY_ACTIONS[action], "policies": dict(sorted(made.items()))}


def _policy(action: Action, namespace: str, rule: Json, *, http: bool) -> Json | None:
    """One rule; None when it asks a TCP connection for what only HTTP has, and so allows nothing."""
    when = [_when(namespace, condition) for condition in rule.get("when") or []]
    sources = [_clauses(_sources(namespace), part.get("source") or {}) for part in rule.get("from") or []]
    operations = [_clauses(OPERATIONS, part.get("operation") or {}) for part in rule.get("to") or []]
    if not http:
        everything = [*when, *(clause for part in [*sources, *operations] for clause in part)]
        if action == "ALLOW" and any(clause.condition.http for clause in everything):
            return None
        when = _without_http(when)
        sources = [_without_http(part) for part in sources]
        operations = [_without_http(part) for part in operations]
    permissions = [clause for clause in when if clause.condition.permission]
    principals = [clause for clause in when if not clause.condition.permission]
    return {
        "permissions": [_and([*part, *permissions], "rules") for part in operations or [[]]],
        "principals": [_and([*part, *principals], "ids") for part in sources or [[]]],
    }


@dataclass(frozen=True)
class _Clause:
    condition: Condition
    values: Sequence[str]
    not_values: Sequence[str]


def _sources(namespace: str) -> Mapping[str, Condition]:
    accounts = Condition(lambda value: rbac.service_account(value, namespace))
    return {**SOURCES, "serviceAccounts": accounts}


def _clauses(conditions: Mapping[str, Condition], written: Json) -> list[_Clause]:
    made = []
    for name, condition in conditions.items():
        values = written.get(name) or []
        not_values = written.get(f"not{name[0].upper()}{name[1:]}") or []
        if values or not_values:
            made.append(_Clause(condition, values, not_values))
    return made


def _when(namespace: str, written: Json) -> _Clause:
    condition = _attribute(namespace, str(written.get("key", "")))
    return _Clause(condition, written.get("values") or [], written.get("notValues") or [])


def _attribute(namespace: str, key: str) -> Condition:
    """What a `when` key means in a policy of this namespace."""
    if key == "source.serviceAccount":
        return _sources(namespace)["serviceAccounts"]
    if key.startswith("request.headers["):
        name = key.removeprefix("request.headers[").removesuffix("]")
        return Condition(lambda value: rbac.header(name, value), http=True)
    if key.startswith("request.auth.claims"):
        return Condition(lambda value: rbac.claim_of(key, value), http=True)
    if key.startswith("experimental."):
        return Condition(lambda value: rbac.filter_metadata(key, value), permission=True)
    return WHEN.get(key, _NEVER)


# A key that validation does not know: nothing has it.
_NEVER = Condition(lambda value: {"not_id": {"any": True}})


def _without_http(clauses: Sequence[_Clause]) -> list[_Clause]:
    return [clause for clause in clauses if not clause.condition.http]


def _and(clauses: Sequence[_Clause], plural: Literal["rules", "ids"]) -> Json:
    """All clauses at once, in the words of permissions (`rules`) or of principals (`ids`)."""
    negation = "not_rule" if plural == "rules" else "not_id"
    made: list[Json] = []
    for clause in clauses:
        if clause.values:
            made.append(_or(clause, clause.values, plural))
        if clause.not_values:
            made.append({negation: _or(clause, clause.not_values, plural)})
    return {f"and_{plural}": {plural: made or [{"any": True}]}}


def _or(clause: _Clause, values: Sequence[str], plural: str) -> Json:
    return {f"or_{plural}": {plural: [clause.condition.matcher(value) for value in values]}}
