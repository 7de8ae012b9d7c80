"""Judge a whole configuration: every resource by its schema, then what they say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mesh.local.check.callers import caller_findings
from mesh.local.check.deprecated import deprecated_findings
from mesh.local.check.gateways import gateway_findings
from mesh.local.check.hosts import host_findings
from mesh.local.check.keys import claim_findings
from mesh.local.check.mesh import Mesh
from mesh.local.check.mutual_tls import mutual_tls_findings
from mesh.local.check.pods import pod_findings
from mesh.local.check.protocols import protocol_findings
from mesh.local.check.routes import route_findings
from mesh.local.check.telemetry import telemetry_findings
from mesh.local.check.workloads import workload_findings
from mesh.local.model import Config, Finding, Resource
from mesh.local.resources import duplicates
from mesh.local.schema import judge, runs

__all__ = ["Judged", "check", "validate"]

Analyzer = Callable[[Mesh], Iterable[Finding]]

# One per subject, each pure: what it finds has an id of `messages`.
ANALYZERS: tuple[Analyzer, ...] = (
    route_findings,
    host_findings,
    gateway_findings,
    workload_findings,
    mutual_tls_findings,
    protocol_findings,
    claim_findings,
    telemetry_findings,
    deprecated_findings,
)
# Asked only where workloads are known: Istio YAML by itself says nothing about what runs.
OF_WORKLOADS: tuple[Analyzer, ...] = (pod_findings, caller_findings)


class Judged:
    """What was found in resources one by one, for as long as they are the very same objects."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Resource, list[Finding]]] = {}

    def judge(self, resources: Sequence[Resource]) -> list[Finding]:
        """The findings of each by itself; what is not among `resources` is forgotten."""
        known = {}
        for resource in resources:
            entry = self._known.get(id(resource))
            known[id(resource)] = entry or (resource, judge(resource))
        self._known = known
        return [finding for _, findings in known.values() for finding in findings]


def validate(resources: Sequence[Resource], judged: Judged | None = None) -> tuple[Config, list[Finding]]:
    """The configuration of what is run, and everything found; it is to be used unless one is an error.

    What resources say together is judged only when each is right by itself. `judged` remembers from one
    call to the next.
    """
    findings = duplicates(resources)
    findings += (judged or Judged()).judge(resources)
    config = Config(resource for resource in resources if runs(resource))
    if not any(found.level == "error" for found in findings):
        findings += check(config)
    return config, findings


def check(config: Config) -> list[Finding]:
    """What resources that are valid one by one say together: unknown references, idle rules, conflicts."""
    mesh = Mesh(config)
    analyzers = (*ANALYZERS, *OF_WORKLOADS) if mesh.has_workloads else ANALYZERS
    return [found for analyzer in analyzers for found in analyzer(mesh)]
