"""Services, their versions and the calls between them, out of what runs and what was counted (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from mesh.console.metrics.traffic import Flow, Traffic
from mesh.console.topology.state import Pod, Topology

Security = Literal["mutual TLS", "plain text", "partly mutual TLS", "unknown"]


@dataclass(frozen=True)
class Version:
    """One workload of a service. `missing` names pods that should serve and do not, or came back just now."""

    workload: str
    name: str
    ready: int
    restarts: int
    pods: tuple[Pod, ...]
    missing: frozenset[str]

    @property
    def total(self) -> int:
        return len(self.pods)

    @property
    def down(self) -> int:
        return len(self.missing)


@dataclass(frozen=True)
class Service:
    """Workloads of one app; `mtls` is the mode that they demand of callers."""

    key: str
    title: str
    namespace: str
    gateway: bool
    mtls: str
    versions: tuple[Version, ...]

    @property
    def down(self) -> int:
        return sum(version.down for version in self.versions)


@dataclass(frozen=True)
class Edge:
    """Calls of a service to one workload; `weight` in percent where a route divides them."""

    source: str
    target: str
    workload: str
    flow: Flow
    weight: float | None
    security: Security

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.workload

    @property
    def key(self) -> str:
        return f"{self.source} {self.workload}"


@dataclass(frozen=True)
class Graph:
    services: tuple[Service, ...]
    edges: tuple[Edge, ...]

    @property
    def versions(self) -> list[tuple[Service, Version]]:
        return [(service, version) for service in self.services for version in service.versions]

    def service(self, key: str) -> Service:
        return next(service for service in self.services if service.key == key)


def graph(
    topology: Topology,
    counted: Traffic,
    fresh: Collection[str] = (),
    seen: Collection[tuple[str, str]] = (),
) -> Graph:
    """The whole picture; `fresh` are pods that were down until a moment ago, `seen` calls of earlier."""
    groups: dict[str, list[Pod]] = {}
    for pod in topology.pods:
        groups.setdefault(f"{pod.namespace}/{pod.app}", []).append(pod)
    services = tuple(_service(key, pods, fresh) for key, pods in sorted(groups.items()))
    homes = {pod.key: f"{pod.namespace}/{pod.app}" for pod in topology.pods}
    return Graph(services, tuple(_edges(topology, counted, homes, seen)))


def _service(key: str, pods: list[Pod], fresh: Collection[str]) -> Service:
    workloads: dict[str, list[Pod]] = {}
    for pod in pods:
        workloads.setdefault(pod.key, []).append(pod)
    first = pods[0]
    versions = tuple(_version(name, members, fresh) for name, members in sorted(workloads.items()))
    return Service(key, first.app, first.namespace, first.gateway, first.mtls, versions)


def _version(workload: str, pods: list[Pod], fresh: Collection[str]) -> Version:
    # One that is asked to end is no fault.
    kept = [pod for pod in pods if pod.phase != "Terminating"]
    missing = (pod.name for pod in kept if not pod.ready or f"{pod.namespace}/{pod.name}" in fresh)
    name = pods[0].version or ("gateway" if pods[0].gateway else pods[0].workload)
    ready = sum(pod.ready for pod in kept)
    restarts = sum(pod.restarts for pod in kept)
    return Version(workload, name, ready, restarts, tuple(kept), frozenset(missing))


def _edges(
    topology: Topology, counted: Traffic, homes: dict[str, str], seen: Collection[tuple[str, str]]
) -> Iterable[Edge]:
    """Every pair with traffic, now or earlier, or that a policy allows; what stays inside is left out."""
    allowed = {(homes[client], to) for client, to in topology.allowed if client in homes}
    known = set(homes.values())
    pairs = {pair for pair in allowed | set(seen) if pair[0] in known and pair[1] in homes}
    flows = {pair: Flow() for pair in pairs}
    for (client, destination, service), flow in counted.flows.items():
        target = destination or only(service, topology)
        if client in homes and target in homes:
            flows.setdefault((homes[client], target), Flow()).add(flow)
    secured = _secured(topology, counted, homes)
    declared = weights(topology, homes)
    for (source, workload), flow in sorted(flows.items()):
        if source != homes[workload]:
            security = _security(secured.get((source, workload)))
            weight = declared.get((source, workload))
            yield Edge(source, homes[workload], workload, flow, weight, security)


def _secured(
    topology: Topology, counted: Traffic, homes: dict[str, str]
) -> dict[tuple[str, str], list[float]]:
    """By source and workload: requests by mutual TLS and all, as the receiving side counted them.

    That side knows its client by its account only: services that share one have one answer.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for home, account in {(homes[pod.key], pod.account) for pod in topology.pods}:
        for (client, workload), (safe, total) in counted.secured.items():
            if client == account:
                at = found.setdefault((home, workload), [0.0, 0.0])
                at[0] += safe
                at[1] += total
    return found


def only(service: str, topology: Topology) -> str:
    """A workload for requests that reached none: the first of the service that they were for."""
    name, _, rest = service.partition(".")
    namespace = rest.partition(".")[0]
    fitting = (pod.key for pod in topology.pods if (pod.app, pod.namespace) == (name, namespace))
    return min(fitting, default="")


def weights(topology: Topology, homes: dict[str, str]) -> dict[tuple[str, str], float]:
    """Percent of a source's requests by workload, where several could have them."""
    found: dict[tuple[str, str], float] = {}
    for split in topology.splits:
        if split.client not in homes:
            continue
        total = sum(share.weight for share in split.to.values())
        services = {homes[to] for share in split.to.values() for to in share.workloads if to in homes}
        everyone = {workload for workload, home in homes.items() if home in services}
        if not total or len(everyone) < 2:
            continue
        percent = dict.fromkeys(everyone, 0.0)
        for share in split.to.values():
            for workload in share.workloads:
                if workload in percent:
                    percent[workload] += 100 * share.weight / total
        for workload, value in percent.items():
            found.setdefault((homes[split.client], workload), value)
    return found


def _security(counted: list[float] | None) -> Security:
    if counted is None or not counted[1]:
        return "unknown"
    share = counted[0] / counted[1]
    return "mutual TLS" if share > 0.999 else "plain text" if share < 0.001 else "partly mutual TLS"
