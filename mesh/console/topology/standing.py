"""Every version of every service in one line: what it gets, how it answers, what was meant for it (pure)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mesh.console.metrics.traffic import Flow, Source, Traffic
from mesh.console.topology.graph import graph, only, weights
from mesh.console.topology.state import Topology


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """Rates are per second, shares from 0 to 1; None where nothing was counted, or nothing divides.

    `declared` are the percentages that routes give it: several where clients do not agree. `counted_by` says
    whether rates, errors and durations are Istio's metrics of its clients' sidecars, or what every Envoy
    counts by itself: "istio", "envoy", or both.
    """

    service: str
    namespace: str
    version: str
    workload: str
    ready: int
    total: int
    rate: float
    errors: float | None
    p50_ms: float | None
    p99_ms: float | None
    mutual_tls: float | None
    declared: tuple[float, ...]
    observed: float | None
    counted_by: tuple[Source, ...] = ()


def standings(topology: Topology, counted: Traffic) -> list[Standing]:
    """By service, then by version."""
    homes = {pod.key: f"{pod.namespace}/{pod.app}" for pod in topology.pods}
    flows = _arriving(topology, counted)
    secured = _secured(counted)
    declared = _declared(topology, homes)
    found = []
    for service in graph(topology, counted).services:
        whole = sum(flows[version.workload].rate for version in service.versions if version.workload in flows)
        for version in service.versions:
            flow = flows.get(version.workload, Flow())
            found.append(
                Standing(
                    service=service.title,
                    namespace=service.namespace,
                    version=version.name,
                    workload=version.workload,
                    ready=version.ready,
                    total=version.total,
                    rate=flow.rate,
                    errors=flow.error_share if flow.rate else None,
                    p50_ms=flow.quantile_ms(0.5),
                    p99_ms=flow.quantile_ms(0.99),
                    mutual_tls=secured.get(version.workload),
                    declared=declared.get(version.workload, ()),
                    observed=flow.rate / whole if whole and len(service.versions) > 1 else None,
                    counted_by=tuple(sorted(flow.counted_by)),
                )
            )
    return found


def _arriving(topology: Topology, counted: Traffic) -> dict[str, Flow]:
    """All that clients sent, by the workload that got it, or was to get it."""
    found: dict[str, Flow] = {}
    for (_, destination, service), flow in counted.flows.items():
        if target := destination or only(service, topology):
            found.setdefault(target, Flow()).add(flow)
    return found


def _secured(counted: Traffic) -> dict[str, float]:
    """The share that came by mutual TLS, of requests or of connections, as the receiving side counted."""
    sums: dict[str, list[float]] = {}
    for (_, workload), (safe, total) in counted.secured.items():
        at = sums.setdefault(workload, [0.0, 0.0])
        at[0] += safe
        at[1] += total
    return {workload: safe / total for workload, (safe, total) in sums.items() if total}


def _declared(topology: Topology, homes: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    found: dict[str, set[float]] = {}
    for (_, workload), percent in weights(topology, dict(homes)).items():
        found.setdefault(workload, set()).add(percent)
    return {workload: tuple(sorted(percents)) for workload, percents in found.items()}
