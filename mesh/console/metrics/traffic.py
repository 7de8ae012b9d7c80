"""Rates, errors, durations and mutual TLS between workloads, out of what all proxies counted (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mesh.console.metrics.exposition import DURATIONS, REQUESTS, Key, Labels

# gRPC's codes that say the server is at fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
# UNAVAILABLE, DATA_LOSS.
GRPC_FAULTS = frozenset({"2", "4", "12", "13", "14", "15"})
_SPIFFE = "spiffe://"

# (client workload, destination workload or "", destination service), workloads as namespace/name
Pair = tuple[str, str, str]

# Istio's metrics, or what every Envoy counts by itself.
Source = Literal["istio", "envoy"]


@dataclass
class Flow:
    """Requests of one pair over a while, as the client's side counted them."""

    rate: float = 0.0
    errors: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)
    counted_by: set[Source] = field(default_factory=set)

    @property
    def error_share(self) -> float:
        return self.errors / self.rate if self.rate else 0.0

    def add(self, other: Flow) -> None:
        self.rate += other.rate
        self.errors += other.errors
        self.counted_by |= other.counted_by
        for bound, rate in other.buckets.items():
            self.buckets[bound] = self.buckets.get(bound, 0.0) + rate

    def quantile_ms(self, share: float) -> float | None:
        return quantile(self.buckets, share)


@dataclass
class Traffic:
    """`flows` per second; `secured`: (client's account, destination workload) -> [by mutual TLS, all].

    Without Istio's metrics connections are counted there, of whose clients nothing is known.
    """

    flows: dict[Pair, Flow] = field(default_factory=dict)
    secured: dict[tuple[str, str], list[float]] = field(default_factory=dict)


def traffic(windows: Iterable[tuple[float, Mapping[Key, float]]], labels: Labels) -> Traffic:
    """Of every proxy: over how many seconds, and by how much its counters grew."""
    found = Traffic()
    for seconds, grown in windows:
        for (name, text), increase in grown.items():
            _count(found, name, labels.of(text), increase / seconds)
    return found


def _count(found: Traffic, name: str, labels: Mapping[str, str], rate: float) -> None:
    if labels.get("reporter") == "destination":
        if name == REQUESTS:
            account = _account(labels.get("source_principal", ""))
            counted = found.secured.setdefault((account, _workload(labels, "destination")), [0.0, 0.0])
            counted[0] += rate if labels.get("connection_security_policy") == "mutual_tls" else 0.0
            counted[1] += rate
        return
    pair = (
        _workload(labels, "source"),
        _workload(labels, "destination"),
        labels.get("destination_service", ""),
    )
    flow = found.flows.setdefault(pair, Flow(counted_by={"istio"}))
    if name == REQUESTS:
        flow.rate += rate
        flow.errors += rate if failed(labels) else 0.0
    elif name == DURATIONS and (bound := labels.get("le")):
        flow.buckets[float(bound)] = flow.buckets.get(float(bound), 0.0) + rate


def failed(labels: Mapping[str, str]) -> bool:
    """Whether a request counts as an error of the server or of the way there, not of the client."""
    code = labels.get("response_code", "")
    # Without any response it is the client who left, unless a flag says otherwise.
    if code == "0":
        return labels.get("response_flags", "-") not in ("-", "", "DC")
    return code.startswith("5") or labels.get("grpc_response_status", "") in GRPC_FAULTS


def _workload(labels: Mapping[str, str], side: str) -> str:
    name = labels.get(f"{side}_workload", "")
    if name in ("", "unknown", "-"):
        return ""
    return f"{labels.get(f'{side}_workload_namespace', '')}/{name}"


def _account(principal: str) -> str:
    """`namespace/account` of `spiffe://cluster.local/ns/NAMESPACE/sa/ACCOUNT`."""
    parts = principal.removeprefix(_SPIFFE).split("/")
    return f"{parts[2]}/{parts[4]}" if len(parts) == 5 else ""


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """As Prometheus' histogram_quantile: linear inside a bucket; None without observations."""
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank = share * buckets[bounds[-1]]
    below, counted = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return below
            inside = buckets[bound] - counted
            return below + (bound - below) * ((rank - counted) / inside if inside else 1.0)
        below, counted = bound, buckets[bound]
    return below
