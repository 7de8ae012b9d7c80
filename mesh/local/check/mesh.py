"""What a configuration's parts mean to each other: names resolved, pods known by their templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from mesh.local import templates
from mesh.local.model import CLUSTER_DOMAIN, ROOT_NAMESPACE, Config, Json, Resource, Service
from mesh.local.registry import declared
from mesh.local.schema.virtual_service import covers

WORKLOADS = tuple(templates.PATHS)
INJECT = "sidecar.istio.io/inject"


@dataclass(frozen=True)
class PodTemplate:
    """The pods of one workload, as selectors see them."""

    workload: Resource
    labels: Mapping[str, str]

    @property
    def account(self) -> str:
        return templates.account(self.template)

    @property
    def template(self) -> Json:
        return templates.template(self.workload)

    @property
    def injected(self) -> bool:
        """Whether its pods get a sidecar, or are gateways."""
        metadata = self.template.get("metadata") or {}
        notes = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
        return str(notes.get(INJECT)).lower() != "false"

    def fits(self, labels: Mapping[str, str]) -> bool:
        return labels.items() <= self.labels.items()

    def target(self, port: Json) -> int | None:
        """The number of the container port that a Service's port leads to; None for an unknown name."""
        written = port.get("targetPort") or port["port"]
        if isinstance(written, int):
            return written
        for container in self.template["spec"]["containers"]:
            for entry in container.get("ports") or []:
                if entry.get("name") == written:
                    return int(entry["containerPort"])
        return None


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
    def hosts(self) -> dict[str, Service]:
        """What can be called, by its host: Services, ExternalNames among them, and ServiceEntries."""
        return {service.hostname: service for service in reversed(declared(self.config))}

    def knows(self, host: str) -> Service | None:
        """The service that a rule means by a host, also one of a wildcard."""
        return self.hosts.get(host) or self.hosts.get(host.removesuffix("."))

    @staticmethod
    def missing(host: str) -> str:
        """What would have to declare a host that nobody has."""
        of_kubernetes = host.endswith(f".svc.{CLUSTER_DOMAIN}")
        return f"no Service {host}" if of_kubernetes else f"no Service {host} and no ServiceEntry for it"

    @cached_property
    def pods(self) -> list[PodTemplate]:
        found = []
        for kind in WORKLOADS:
            for workload in self.config.of(kind):
                metadata = templates.template(workload).get("metadata") or {}
                found.append(PodTemplate(workload, metadata.get("labels") or {}))
        return found

    @cached_property
    def accounts(self) -> frozenset[tuple[str, str]]:
        """(namespace, name) of every service account that is declared, or that pods are to have."""
        declared = {(account.namespace, account.name) for account in self.config.of("ServiceAccount")}
        return frozenset(declared | {(pod.workload.namespace, pod.account) for pod in self.pods})

    @property
    def has_workloads(self) -> bool:
        """Istio YAML by itself says nothing about what runs, so nothing is missing from it."""
        return bool(self.services or self.pods)

    def selected(self, namespace: str, labels: Mapping[str, str]) -> list[PodTemplate]:
        """The pods with these labels; a policy of the root namespace is for all namespaces."""
        anywhere = namespace == ROOT_NAMESPACE
        return [
            pod
            for pod in self._candidates(labels)
            if pod.fits(labels) and (anywhere or pod.workload.namespace == namespace)
        ]

    def pods_of(self, service: Resource) -> list[PodTemplate]:
        selector = service.spec.get("selector") or {}
        candidates = self._candidates(selector) if selector else []
        return [
            pod for pod in candidates if pod.workload.namespace == service.namespace and pod.fits(selector)
        ]

    def services_of(self, pod: PodTemplate) -> list[Resource]:
        """The Services that lead to a pod, by name."""
        return self._services_by_pod.get(id(pod), [])

    @cached_property
    def _services_by_pod(self) -> dict[int, list[Resource]]:
        found: dict[int, list[Resource]] = {}
        for service in sorted(self.services.values(), key=lambda one: one.name):
            for pod in self.pods_of(service):
                found.setdefault(id(pod), []).append(service)
        return found

    def _candidates(self, labels: Mapping[str, str]) -> list[PodTemplate]:
        """The pods with the rarest of the labels: few, however many there are in all."""
        return min((self._by_label.get(label, []) for label in labels.items()), key=len, default=self.pods)

    @cached_property
    def _by_label(self) -> dict[tuple[str, str], list[PodTemplate]]:
        index: dict[tuple[str, str], list[PodTemplate]] = {}
        for pod in self.pods:
            for label in pod.labels.items():
                index.setdefault(label, []).append(pod)
        return index

    def rules_for(self, host: str) -> Iterator[Resource]:
        """The DestinationRules that decide about a host: in each namespace the most specific ones."""
        exact = self._rules.get(host, [])
        yield from exact
        hidden = {rule.namespace for rule in exact}
        by_length: dict[str, list[tuple[int, Resource]]] = {}
        for pattern in self._wildcards:
            for rule in self._rules[pattern] if covers(pattern, host) else []:
                if rule.namespace not in hidden:
                    by_length.setdefault(rule.namespace, []).append((len(pattern), rule))
        for rules in by_length.values():
            longest = max(length for length, _ in rules)
            yield from (rule for length, rule in rules if length == longest)

    def subsets_of(self, host: str) -> frozenset[str]:
        """The names of all subsets that are declared for a host."""
        known = self._subsets.get(host)
        if known is None:
            rules = self.rules_for(host)
            known = frozenset(subset["name"] for rule in rules for subset in rule.spec.get("subsets") or [])
            self._subsets[host] = known
        return known

    @cached_property
    def _rules(self) -> dict[str, list[Resource]]:
        rules: dict[str, list[Resource]] = {}
        for rule in self.config.of("DestinationRule"):
            rules.setdefault(full_host(rule.spec["host"], rule.namespace), []).append(rule)
        return rules

    @cached_property
    def _wildcards(self) -> list[str]:
        return [host for host in self._rules if host.startswith("*")]
