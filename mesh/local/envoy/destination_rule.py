"""DestinationRule: which one speaks for a service towards a client, its subsets, its policy for a port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mesh.local.envoy import names
from mesh.local.envoy.view import View, exported, selects
from mesh.local.model import ROOT_NAMESPACE, Config, Json, Resource, Service

BLOCKS = ("connectionPool", "loadBalancer", "outlierDetection", "tls", "proxyProtocol", "retryBudget")


@dataclass(frozen=True)
class Rule:
    """Rules of one host in one namespace, merged; `resources` in order, the first named in metadata."""

    resources: tuple[Resource, ...]
    policy: Json = field(default_factory=dict)
    subsets: Mapping[str, Json] = field(default_factory=dict)


NOTHING = Rule(())


def rule_for(view: View, hostname: str) -> Rule:
    """The rule for a host: the client's namespace, then the service's, then the root namespace."""
    if hostname not in view.rules:
        view.rules[hostname] = _rule_for(view, hostname)
    found: Rule = view.rules[hostname]
    return found


def _rule_for(view: View, hostname: str) -> Rule:
    index = _index(view.config)
    if not index.knows(hostname):
        return NOTHING
    service = view.service(hostname)
    own = view.proxy.namespace
    namespaces = dict.fromkeys([own, *([service.namespace] if service else []), ROOT_NAMESPACE])
    for namespace in namespaces:
        visible = [
            resource
            for resource in index.covering(namespace, hostname)
            if exported(resource, view.mesh.export_destination_rules, own) and _for_client(view, resource)
        ]
        if visible:
            return _merged(visible)
    return NOTHING


def full_host(resource: Resource) -> str:
    return names.resolve(str(resource.spec.get("host", "")), resource.namespace).lower()


def traffic_policy(view: View, hostname: str, port: int, subset: str = "") -> Json:
    """The blocks in force for a port, or for a subset's port (`BLOCKS`)."""
    return blocks(rule_for(view, hostname), port, subset)


def blocks(rule: Rule, port: int, subset: str = "") -> Json:
    """Block by block the subset's over the rule's; a port-level setting replaces all at its level."""
    _, made = _level(rule.policy, port)
    if subset:
        replaces, own = _level((rule.subsets.get(subset) or {}).get("trafficPolicy") or {}, port)
        made = own if replaces else {**made, **own}
    return made


def turns_mutual_tls_off(rule: Rule, port: int, subset: str = "") -> bool:
    """Whether pods are not to be asked by the mesh's mutual TLS.

    A port-level setting without `tls` has that of the level above here, unlike in `blocks`.
    """
    mode = None
    for policy in (rule.policy, (rule.subsets.get(subset) or {}).get("trafficPolicy") or {}):
        _, own = _level(policy, port)
        mode = (own.get("tls") or policy.get("tls") or {}).get("mode") or mode
    return mode not in (None, "ISTIO_MUTUAL")


def inbound_policy(view: View, service: Service, port: int) -> Json:
    """The blocks that limit the server too: never a subset's."""
    policy = blocks(rule_for(view, service.hostname), port)
    return {key: policy[key] for key in ("connectionPool", "retryBudget") if key in policy}


def _level(policy: Json, port: int) -> tuple[bool, Json]:
    for setting in policy.get("portLevelSettings") or []:
        if (setting.get("port") or {}).get("number") == port:
            return True, _blocks(setting)
    return False, _blocks(policy)


def _blocks(policy: Json) -> Json:
    return {key: policy[key] for key in BLOCKS if policy.get(key) is not None}


def _for_client(view: View, resource: Resource) -> bool:
    selector = _selector(resource)
    return not selector or (
        resource.namespace == view.proxy.namespace and selects(selector, view.proxy.labels)
    )


def _selector(resource: Resource) -> Json:
    return (resource.spec.get("workloadSelector") or {}).get("matchLabels") or {}


def _merged(visible: list[Resource]) -> Rule:
    """The most specific host's rules; one with a selector stands alone and before those without."""
    longest = max(visible, key=lambda r: (not full_host(r).startswith("*"), len(full_host(r))))
    same = [resource for resource in visible if full_host(resource) == full_host(longest)]
    selected = [resource for resource in same if _selector(resource)]
    used = selected[:1] or _together(same)
    policies = (resource.spec.get("trafficPolicy") for resource in used)
    subsets: dict[str, Json] = {}
    for subset in _subsets(used):
        subsets.setdefault(subset["name"], subset)
    return Rule(tuple(used), next((policy for policy in policies if policy), {}), subsets)


def _together(same: list[Resource]) -> list[Resource]:
    """The last rule of several: one joins those that are exported as it is, or less far."""
    groups: list[list[Resource]] = []
    for one in same:
        alone = True
        for group in groups:
            theirs = _targets(group[0])
            joins = _targets(one) == theirs or (bool(theirs) and _targets(one) >= theirs)
            if joins:
                group.append(one)
            alone = not joins  # the last of them decides
        if alone:
            groups.append([one])
    return groups[-1]


def _targets(resource: Resource) -> frozenset[str]:
    return frozenset(resource.spec.get("exportTo") or ())


def _subsets(resources: Iterable[Resource]) -> Iterable[Json]:
    return (subset for resource in resources for subset in resource.spec.get("subsets") or [])


class Hosts:
    """The hosts that some rules speak for."""

    def __init__(self, rules: Iterable[Resource]) -> None:
        hosts = {full_host(rule) for rule in rules}
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*"))
        self._exact = {host for host in hosts if not host.startswith("*")}

    def __contains__(self, hostname: str) -> bool:
        return hostname in self._exact or hostname.endswith(self._suffixes)

    def __bool__(self) -> bool:
        return bool(self._exact or self._suffixes)


class _Index:
    """Rules by namespace and host, in Istio's order."""

    def __init__(self, config: Config) -> None:
        self._exact: dict[tuple[str, str], list[Resource]] = {}
        self._wildcards: dict[str, list[Resource]] = {}
        self._hosts: set[str] = set()
        self._ends: set[str] = set()
        for resource in config.of("DestinationRule"):
            host = full_host(resource)
            (self._ends if host.startswith("*") else self._hosts).add(host.removeprefix("*"))
            if host.startswith("*"):
                self._wildcards.setdefault(resource.namespace, []).append(resource)
            else:
                self._exact.setdefault((resource.namespace, host), []).append(resource)

    def knows(self, hostname: str) -> bool:
        """Whether any rule of any namespace is about the host."""
        return hostname in self._hosts or any(hostname.endswith(end) for end in self._ends)

    def covering(self, namespace: str, hostname: str) -> list[Resource]:
        wildcards = self._wildcards.get(namespace, ())
        over = [resource for resource in wildcards if hostname.endswith(full_host(resource)[1:])]
        return [*self._exact.get((namespace, hostname), ()), *over]


@lru_cache(maxsize=4)
def _index(config: Config) -> _Index:
    return _Index(config)
