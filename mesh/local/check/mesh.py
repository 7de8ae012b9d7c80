"""What a configuration's parts mean to each other: names resolved, pods known by their templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from mesh.local.model import CLUSTER_DOMAIN, ROOT_NAMESPACE, Config, Resource
from mesh.local.schema.virtual_service import covers

WORKLOADS = ("Deployment", "Job")


@dataclass(frozen=True)
class PodTemplate:
    """The pods of one workload, as selectors see them."""

    workload: Resource
    labels: Mapping[str, str]

    def fits(self, labels: Mapping[str, str]) -> bool:
        return labels.items() <= self.labels.items()


def full_host(host: str, namespace: str) -> str:
    """A host as Istio reads it: only a name without a dot is short."""
    if "." in host or "*" in host or ":" in host:
        return host.removesuffix(".")
    return f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


def gateway_key(name: str, namespace: str) -> tuple[str, str]:
    """(namespace, name) of a Gateway that is referred to as `x`, `./x`, `ns/x` or `x.ns.svc...`."""
    prefix, slash, short = name.partition("/")
    if slash:
        return (namespace if prefix == "." else prefix, short)
    parts = name.split(".")
    return (parts[1] if len(parts) > 1 else namespace, parts[0])


class Mesh:
    """Look-ups over a configuration of which every resource is valid by itself."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._subsets: dict[str, frozenset[str]] = {}

    @cached_property
    def services(self) -> dict[str, Resource]:
        return {
            f"{service.name}.{service.namespace}.svc.{CLUSTER_DOMAIN}": service
            for service in self.config.of("Service")
        }

    @cached_property
    def pods(self) -> list[PodTemplate]:
        templates = []
        for kind in WORKLOADS:
            for workload in self.config.of(kind):
                metadata = workload.spec["template"].get("metadata") or {}
                templates.append(PodTemplate(workload, metadata.get("labels") or {}))
        return templates

    @property
    def has_workloads(self) -> bool:
        """Istio YAML by itself says nothing about what runs, so nothing is missing from it."""
        return bool(self.services or self.pods)

    def selected(self, namespace: str, labels: Mapping[str, str]) -> list[PodTemplate]:
        """The pods with these labels; a policy of the root namespace is for all namespaces."""
        return [
            pod
            for pod in self.pods
            if pod.fits(labels) and namespace in (pod.workload.namespace, ROOT_NAMESPACE)
        ]

    def pods_of(self, service: Resource) -> list[PodTemplate]:
        selector = service.spec.get("selector") or {}
        inside = (pod for pod in self.pods if pod.workload.namespace == service.namespace)
        return [pod for pod in inside if selector and pod.fits(selector)]

    def rules_for(self, host: str) -> Iterator[Resource]:
        """The DestinationRules that decide about a host: in each namespace the most specific ones."""
        best: dict[str, tuple[int, list[Resource]]] = {}
        for pattern, rule in self._rules:
            if not covers(pattern, host):
                continue
            specificity = len(pattern) if "*" in pattern else 1000
            rank, rules = best.get(rule.namespace, (-1, []))
            if specificity > rank:
                best[rule.namespace] = (specificity, [rule])
            elif specificity == rank:
                rules.append(rule)
        for _, rules in best.values():
            yield from rules

    def subsets_of(self, host: str) -> frozenset[str]:
        """The names of all subsets that are declared for a host."""
        known = self._subsets.get(host)
        if known is None:
            rules = self.rules_for(host)
            known = frozenset(subset["name"] for rule in rules for subset in rule.spec.get("subsets") or [])
            self._subsets[host] = known
        return known

    @cached_property
    def _rules(self) -> list[tuple[str, Resource]]:
        return [
            (full_host(rule.spec["host"], rule.namespace), rule) for rule in self.config.of("DestinationRule")
        ]
