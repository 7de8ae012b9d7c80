"""Judge a whole configuration: every resource by its schema, then what they say together."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.check.callers import caller_findings
from mesh.local.check.connections import connection_findings
from mesh.local.check.entries import entry_findings
from mesh.local.check.mesh import Mesh
from mesh.local.check.pods import pod_findings
from mesh.local.check.routes import route_findings
from mesh.local.check.telemetry import telemetry_findings
from mesh.local.check.workloads import workload_findings
from mesh.local.model import Config, Finding, Resource
from mesh.local.resources import duplicates
from mesh.local.schema import judge, runs

__all__ = ["Judged", "check", "validate"]


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
    findings = [*route_findings(mesh), *workload_findings(mesh), *entry_findings(mesh)]
    findings += [*connection_findings(mesh), *telemetry_findings(mesh)]
    if mesh.has_workloads:
        findings += [*pod_findings(mesh), *caller_findings(mesh)]
    return findings
