"""Findings about DestinationRules that share a host: whose word counts."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.check.mesh import Mesh, full_host
from mesh.local.model import Finding, Resource
from mesh.local.resources import finding


def host_findings(mesh: Mesh) -> Iterator[Finding]:
    """Istio joins the rules of a host and namespace: the first traffic policy, the first subset of a name."""
    shared: dict[tuple[str, str], list[Resource]] = {}
    for rule in mesh.config.of("DestinationRule"):
        if not (rule.spec.get("workloadSelector") or {}).get("matchLabels"):
            shared.setdefault((rule.namespace, full_host(rule.spec["host"], rule.namespace)), []).append(rule)
    for (_, host), rules in shared.items():
        yield from _second_words(host, rules)


def _second_words(host: str, rules: list[Resource]) -> Iterator[Finding]:
    policy: Resource | None = None
    subsets: dict[str, Resource] = {}
    for rule in rules:
        if written := rule.spec.get("trafficPolicy"):
            if policy is not None and policy.spec["trafficPolicy"] != written:
                message = f"{policy} has a traffic policy for {host} too and comes first: this one is ignored"
                yield finding(rule, ("spec", "trafficPolicy"), message, warning=True, id="DM0111")
            policy = policy or rule
        for index, subset in enumerate(rule.spec.get("subsets") or []):
            first = subsets.setdefault(subset["name"], rule)
            if first is not rule and subset not in first.spec["subsets"]:
                message = f'{first} declares the subset "{subset["name"]}" of {host} too and comes first'
                path = ("spec", "subsets", index, "name")
                yield finding(rule, path, message, warning=True, id="DM0111")
