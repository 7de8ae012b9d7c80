"""Findings about fields that have a successor."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.check.mesh import Mesh
from mesh.local.model import Finding, Json, Resource
from mesh.local.resources import finding

Path = tuple[str | int, ...]


def deprecated_routes(mesh: Mesh) -> Iterator[Finding]:
    for resource in mesh.config.of("VirtualService"):
        for index, route in enumerate(resource.spec.get("http") or []):
            at: Path = ("spec", "http", index)
            if "percent" in ((route.get("fault") or {}).get("delay") or {}):
                yield _old(resource, (*at, "fault", "delay", "percent"), "percentage.value")
            if "allowOrigin" in (route.get("corsPolicy") or {}):
                yield _old(resource, (*at, "corsPolicy", "allowOrigin"), "allowOrigins with exact")


def deprecated_rules(mesh: Mesh) -> Iterator[Finding]:
    for resource in mesh.config.of("DestinationRule"):
        policies: list[tuple[Path, Json]] = [
            (("spec", "trafficPolicy"), resource.spec.get("trafficPolicy") or {})
        ]
        for index, subset in enumerate(resource.spec.get("subsets") or []):
            policies.append((("spec", "subsets", index, "trafficPolicy"), subset.get("trafficPolicy") or {}))
        for path, policy in policies:
            yield from _balancing(resource, (*path, "loadBalancer"), policy.get("loadBalancer") or {})
            for number, level in enumerate(policy.get("portLevelSettings") or []):
                inner = (*path, "portLevelSettings", number, "loadBalancer")
                yield from _balancing(resource, inner, level.get("loadBalancer") or {})


def _balancing(resource: Resource, path: Path, balancer: Json) -> Iterator[Finding]:
    if balancer.get("simple") == "LEAST_CONN":
        yield _old(resource, (*path, "simple"), "LEAST_REQUEST")
    if "warmupDurationSecs" in balancer:
        yield _old(resource, (*path, "warmupDurationSecs"), "warmup.duration")
    if "minimumRingSize" in (balancer.get("consistentHash") or {}):
        yield _old(resource, (*path, "consistentHash", "minimumRingSize"), "ringHash.minimumRingSize")


def _old(resource: Resource, path: Path, instead: str) -> Finding:
    return finding(resource, path, f"is deprecated: write {instead}", warning=True, id="IST0002")
