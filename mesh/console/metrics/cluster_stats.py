"""What every Envoy counts by itself: for proxies that make none of Istio's metrics (pure).

A client's sidecar counts the answers of each cluster and their durations, and for each endpoint those that
were right and those that were not; a server's counts the connections that it has, and how many have TLS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from mesh.console.metrics.exposition import Key
from mesh.console.metrics.traffic import GRPC_FAULTS, Flow, Pair, Traffic

# All that is asked for of `/stats`; clusters by whatever name their statistics have.
QUERY = {
    "filter": r"^(cluster\..*\.(upstream_rq_[1-5]xx|upstream_rq_time|grpc\.\d+)"
    r"|http\.inbound_.*\.downstream_cx_(ssl_)?(total|active))$",
    "usedonly": "",
    "histogram_buckets": "cumulative",
}
_CLUSTER = re.compile(r"cluster\.(.+)\.(upstream_rq_[1-5]xx|upstream_rq_time|grpc\.\d+): (.*)")
_CONNECTIONS = re.compile(r"http\.inbound_.*\.downstream_cx_((?:ssl_)?(?:total|active)): (\d+)")
# A bucket's upper edge, and all observations up to it since the start.
_BUCKET = re.compile(r"B(\S+?)\(\d+,(\d+)\)")

_ANSWERS = "upstream_rq_{}xx"
_WITHIN = "upstream_rq_time<="
_RIGHT, _WRONG = " rq_success", " rq_error"  # of the endpoint whose address stands before
_CLOSED, _CLOSED_TLS = ("closed", ""), ("closed ssl", "")


class _Stat(msgspec.Struct):
    name: str
    value: str = "0"  # proto JSON writes a long number as text, and none where it is zero


class _Socket(msgspec.Struct):
    address: str


class _Address(msgspec.Struct):
    socket_address: _Socket | None = None


class _Host(msgspec.Struct):
    address: _Address = msgspec.field(default_factory=_Address)
    stats: list[_Stat] = []


class _Cluster(msgspec.Struct):
    name: str
    observability_name: str = ""
    host_statuses: list[_Host] = []


class _Clusters(msgspec.Struct):
    cluster_statuses: list[_Cluster] = []


_DECODER = msgspec.json.Decoder(_Clusters)


@dataclass(frozen=True)
class Reading:
    """One look at one proxy: `counters` by (statistic, cluster), the addresses of each cluster's endpoints,
    and the connections that are open inwards: by TLS, and all.
    """

    counters: dict[Key, float]
    members: Mapping[str, frozenset[str]]
    connections: tuple[float, float]


def read(stats: str, clusters: bytes) -> Reading:
    """Of the answers to `/stats` and `/clusters?format=json`. Raises ValueError."""
    known = {
        found.observability_name or found.name: found
        for found in _DECODER.decode(clusters).cluster_statuses
        if found.name.startswith("outbound|")
    }
    counters: dict[Key, float] = {}
    sums = {"total": 0.0, "active": 0.0, "ssl_total": 0.0, "ssl_active": 0.0}
    for line in stats.splitlines():
        if found := _CLUSTER.fullmatch(line):
            if cluster := known.get(found[1]):
                counters.update({(name, cluster.name): value for name, value in _values(found[2], found[3])})
        elif found := _CONNECTIONS.fullmatch(line):
            sums[found[1]] += float(found[2])
    for cluster in known.values():
        for address, host in _hosts(cluster):
            told = {stat.name: float(stat.value) for stat in host.stats if stat.name.startswith("rq_")}
            for suffix in (_RIGHT, _WRONG):
                key = (address + suffix, cluster.name)
                counters[key] = counters.get(key, 0.0) + told.get(suffix[1:], 0.0)
    counters[_CLOSED] = sums["total"] - sums["active"]
    counters[_CLOSED_TLS] = sums["ssl_total"] - sums["ssl_active"]
    members = {one.name: frozenset(address for address, _ in _hosts(one)) for one in known.values()}
    return Reading(counters, members, (sums["ssl_active"], sums["active"]))


def _values(name: str, text: str) -> Iterator[tuple[str, float]]:
    if name == "upstream_rq_time":
        yield from ((f"{_WITHIN}{edge}", float(count)) for edge, count in _BUCKET.findall(text))
    elif text.isdigit():
        yield name, float(text)


def _hosts(cluster: _Cluster) -> Iterator[tuple[str, _Host]]:
    for host in cluster.host_statuses:
        if host.address.socket_address:
            yield host.address.socket_address.address, host


def count(
    found: Traffic,
    workload: str,
    seconds: float,
    grown: Mapping[Key, float],
    last: Reading,
    workloads: Mapping[str, str],
) -> None:
    """Add what a proxy of `workload` counted in so many seconds; `workloads` are the pods', by address."""
    for pair, flow in _flows(workload, seconds, grown, last.members, workloads):
        if flow.rate:
            found.flows.setdefault(pair, Flow()).add(flow)
    if (connections := _secured(grown, last.connections)) is not None:
        sums = found.secured.setdefault(("", workload), [0.0, 0.0])
        sums[0] += connections[0]
        sums[1] += connections[1]


def _flows(
    client: str,
    seconds: float,
    grown: Mapping[Key, float],
    members: Mapping[str, Iterable[str]],
    workloads: Mapping[str, str],
) -> Iterator[tuple[Pair, Flow]]:
    """What it sent, by the workload that got it.

    Of a cluster that leads to several workloads only their endpoints tell which got what: each attempt
    counts there, and no duration.
    """
    by_cluster: dict[str, dict[str, float]] = {}
    for (name, cluster), increase in grown.items():
        if cluster:
            by_cluster.setdefault(cluster, {})[name] = increase / seconds
    for cluster, rates in by_cluster.items():
        service = cluster.split("|")[3]
        addresses = members.get(cluster, ())
        targets = {workloads.get(address, "") for address in addresses}
        if len(targets) < 2:
            yield (client, next(iter(targets), ""), service), _of_cluster(rates)
            continue
        for address in addresses:
            yield (client, workloads.get(address, ""), service), _of_endpoint(rates, address)


def _of_cluster(rates: Mapping[str, float]) -> Flow:
    faults = sum(rates.get(f"grpc.{code}", 0.0) for code in GRPC_FAULTS)
    edges = {name.removeprefix(_WITHIN): rate for name, rate in rates.items() if name.startswith(_WITHIN)}
    return Flow(
        rate=sum(rates.get(_ANSWERS.format(number), 0.0) for number in range(1, 6)),
        # What a proxy answers itself to a gRPC call is counted as both.
        errors=max(rates.get(_ANSWERS.format(5), 0.0), faults),
        buckets={float(edge): rate for edge, rate in edges.items()},
        counted_by={"envoy"},
    )


def _of_endpoint(rates: Mapping[str, float], address: str) -> Flow:
    wrong = rates.get(address + _WRONG, 0.0)
    return Flow(rate=rates.get(address + _RIGHT, 0.0) + wrong, errors=wrong, counted_by={"envoy"})


def _secured(grown: Mapping[Key, float], connections: tuple[float, float]) -> list[float] | None:
    """How many connections had TLS, and all, of those that were open inwards in a while; None without any."""
    by_tls, every = connections
    by_tls, every = by_tls + grown.get(_CLOSED_TLS, 0.0), every + grown.get(_CLOSED, 0.0)
    return [by_tls, every] if every else None
