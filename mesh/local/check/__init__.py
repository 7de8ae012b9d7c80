"""Judge a whole configuration: every resource by its schema, then what they say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import is_not

from mesh.local.check.callers import caller_findings
from mesh.local.check.connections import connection_findings
from mesh.local.check.deprecated import deprecated_routes, deprecated_rules
from mesh.local.check.entries import entry_findings
from mesh.local.check.gateways import gateway_findings
from mesh.local.check.hosts import host_findings
from mesh.local.check.insides import inside_findings
from mesh.local.check.keys import claim_findings
from mesh.local.check.mesh import WORKLOADS, Mesh
from mesh.local.check.mutual_tls import mutual_tls_findings
from mesh.local.check.pods import pod_findings
from mesh.local.check.protocols import http_route_findings, protocol_findings
from mesh.local.check.routes import route_findings
from mesh.local.check.telemetry import telemetry_findings
from mesh.local.check.workloads import workload_findings
from mesh.local.model import Config, Finding, Resource
from mesh.local.resources import duplicates
from mesh.local.schema import judge, runs

__all__ = ["Judged", "check", "validate"]


@dataclass(frozen=True)
class Analyzer:
    """One subject, pure: what it finds has an id of `messages`.

    `reads` are the kinds that its findings depend on: they stay as they are for as long as those objects do.
    """

    find: Callable[[Mesh], Iterable[Finding]]
    reads: tuple[str, ...]


# What runs and how it is called.
WORLD = ("Service", "ServiceEntry", "WorkloadEntry", *WORKLOADS)
POLICY = ("PeerAuthentication", "RequestAuthentication", "AuthorizationPolicy")
ROUTING = ("VirtualService", "Gateway", "DestinationRule")

ANALYZERS = (
    Analyzer(route_findings, (*WORLD, *ROUTING)),
    Analyzer(host_findings, ("DestinationRule",)),
    Analyzer(gateway_findings, (*WORLD, "VirtualService", "Gateway")),
    Analyzer(workload_findings, (*WORLD, *POLICY, "Gateway", "DestinationRule")),
    Analyzer(mutual_tls_findings, (*WORLD, "PeerAuthentication", "DestinationRule")),
    Analyzer(http_route_findings, (*WORLD, "VirtualService")),
    Analyzer(protocol_findings, (*WORLD, *POLICY)),
    Analyzer(claim_findings, (*WORLD, *POLICY, "VirtualService", "Gateway")),
    Analyzer(connection_findings, (*WORLD, "VirtualService", "AuthorizationPolicy", "ConfigMap")),
    Analyzer(entry_findings, (*WORLD, "Sidecar")),
    Analyzer(inside_findings, ("ServiceEntry", "WorkloadEntry", "Service")),
    Analyzer(telemetry_findings, (*WORLD, "Telemetry", "ConfigMap")),
    Analyzer(deprecated_routes, ("VirtualService",)),
    Analyzer(deprecated_rules, ("DestinationRule",)),
)
# Asked only where workloads are known: Istio YAML by itself says nothing about what runs.
OF_WORKLOADS = (
    Analyzer(pod_findings, (*WORLD, "Namespace", "ServiceAccount", "Sidecar")),
    Analyzer(caller_findings, (*WORLD, *POLICY, "VirtualService", "ServiceAccount")),
)


class Judged:
    """What was found in resources one by one, for as long as they are the very same objects."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Resource, list[Finding]]] = {}
        self._together: dict[Analyzer, tuple[list[Resource], list[Finding]]] = {}

    def judge(self, resources: Sequence[Resource]) -> list[Finding]:
        """The findings of each by itself; what is not among `resources` is forgotten."""
        known = {}
        for resource in resources:
            entry = self._known.get(id(resource))
            known[id(resource)] = entry or (resource, judge(resource))
        self._known = known
        return [finding for _, findings in known.values() for finding in findings]

    def together(self, mesh: Mesh, analyzer: Analyzer) -> list[Finding]:
        """What an analyzer finds in a mesh; asked anew when something that it reads is another object."""
        read = [resource for kind in analyzer.reads for resource in mesh.config.of(kind)]
        before, findings = self._together.get(analyzer, ([], []))
        if analyzer not in self._together or len(read) != len(before) or any(map(is_not, read, before)):
            findings = list(analyzer.find(mesh))
            self._together[analyzer] = (read, findings)
        return findings


def validate(resources: Sequence[Resource], judged: Judged | None = None) -> tuple[Config, list[Finding]]:
    """The configuration of what is run, and everything found; it is to be used unless one is an error.

    What resources say together is judged only when each is right by itself. `judged` remembers from one
    call to the next.
    """
    judged = judged or Judged()
    findings = duplicates(resources)
    findings += judged.judge(resources)
    config = Config(resource for resource in resources if runs(resource))
    if not any(found.level == "error" for found in findings):
        findings += check(config, judged)
    return config, findings


def check(config: Config, judged: Judged | None = None) -> list[Finding]:
    """What resources that are valid one by one say together: unknown references, idle rules, conflicts."""
    mesh = Mesh(config)
    judged = judged or Judged()
    analyzers = (*ANALYZERS, *OF_WORKLOADS) if mesh.has_workloads else ANALYZERS
    return [found for analyzer in analyzers for found in judged.together(mesh, analyzer)]
