"""`trustDomainAliases`: a principal of the mesh's trust domain is one of every alias too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mesh.local.model import TRUST_DOMAIN, Json, Resource

_Widen = Callable[[Sequence[str], Sequence[str]], list[str]]


def widened(resource: Resource, domains: Sequence[str]) -> Resource:
    """An AuthorizationPolicy whose principals and trust domains stand for all `domains`."""
    if len(domains) < 2:
        return resource
    rules = [_rule(rule or {}, domains) for rule in resource.spec.get("rules") or []]
    return replace(resource, body={**resource.body, "spec": {**resource.spec, "rules": rules}})


def _rule(rule: Json, domains: Sequence[str]) -> Json:
    made = dict(rule)
    if rule.get("from"):
        made["from"] = [{**part, "source": _source(part["source"], domains)} for part in rule["from"]]
    if rule.get("when"):
        made["when"] = [_condition(part, domains) for part in rule["when"]]
    return made


def _source(source: Json, domains: Sequence[str]) -> Json:
    made = dict(source)
    for names, widen in (
        (("principals", "notPrincipals"), principals),
        (("trustDomains", "notTrustDomains"), _trust_domains),
    ):
        made |= {name: widen(source[name], domains) for name in names if source.get(name)}
    return made


def _condition(condition: Json, domains: Sequence[str]) -> Json:
    by_key: dict[str, _Widen] = {"source.principal": principals, "source.trustDomain": _trust_domains}
    widen = by_key.get(condition["key"])
    if widen is None:
        return condition
    fields = {
        name: widen(condition[name], domains) for name in ("values", "notValues") if condition.get(name)
    }
    return {**condition, **fields}


def principals(values: Sequence[str], domains: Sequence[str]) -> list[str]:
    """Each `DOMAIN/ns/NAMESPACE/sa/NAME` whose domain is one of ours, in every domain."""
    made: dict[str, None] = {}
    for value in values:
        domain, _, rest = value.partition("/")
        ours = domain == TRUST_DOMAIN or any(_covers(domain, one) for one in domains)
        if value.count("/") != 4 or domain == "*" or not ours:
            made[value] = None
            continue
        for one in domains:
            ends_so = domain.startswith("*") and one.endswith(domain[1:])
            made[value if ends_so else f"{one}/{rest}"] = None
    return list(made)


def _trust_domains(values: Sequence[str], domains: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(one for value in values for one in (domains if value in domains else [value])))


def _covers(pattern: str, domain: str) -> bool:
    if pattern.startswith("*"):
        return domain.endswith(pattern[1:])
    return domain.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == domain
