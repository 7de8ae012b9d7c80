"""What each kind may say: one table of fields per kind, judged one resource at a time.

To add a field, write a line into its kind's table; to implement one that is `later(...)`, take the word
away. A message tells Istio's own refusals from "valid Istio, not supported on the laptop".
"""

from __future__ import annotations

from difflib import get_close_matches

from mesh.local.model import Finding, Resource
from mesh.local.schema.kinds import INSTEAD, LATER, NOT_RUN, SUPPORTED
from mesh.local.schema.mesh_config import mesh_config_findings
from mesh.local.schema.report import At, Report

__all__ = ["judge", "runs"]


def runs(resource: Resource) -> bool:
    """Does the local mesh act on resources of this kind?"""
    kind = SUPPORTED.get(resource.kind)
    return kind is not None and resource.api_version in kind.api_versions


def judge(resource: Resource) -> list[Finding]:
    """Everything wrong or doubtful in one resource by itself."""
    report = Report(resource)
    if runs(resource):
        SUPPORTED[resource.kind].schema.check(resource.body, At(report))
        if resource.kind == "ConfigMap" and not report.misshapen:
            report.findings += mesh_config_findings(resource)
    else:
        _judge_kind(resource, At(report))
    return report.findings


def _judge_kind(resource: Resource, at: At) -> None:
    """Say why a kind is not run: it has no meaning here, waits, has another version, or is unknown."""
    group = resource.api_version.rpartition("/")[0]
    kind = resource.kind
    if kind in NOT_RUN.get(group, ()):
        (at / "kind").warning(f"{kind} means nothing on one machine: it is read and not run", "DM0002")
    elif kind in LATER.get(group, ()):
        (at / "kind").unsupported(INSTEAD.get(kind, ""))
    elif kind in SUPPORTED:
        known = ", ".join(SUPPORTED[kind].api_versions)
        (at / "apiVersion").error(f'no kind "{kind}" in version "{resource.api_version}", but in {known}')
    else:
        known_kinds = [*SUPPORTED, *(name for names in LATER.values() for name in names)]
        close = get_close_matches(kind, known_kinds, n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        (at / "kind").error(f'no kind "{kind}" in version "{resource.api_version}"{hint}')
