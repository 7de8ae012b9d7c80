"""Localities: where endpoints and clients are, and which of them a client prefers.

`localityLbSetting` spreads requests by weights (`distribute`), or orders localities by how near they are
(`failover`, `failoverPriority`), which needs outlier detection to ever leave the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh.local.model import Endpoint, Json
from mesh.local.schema.locality import TOPOLOGY

LABEL = "istio-locality"  # dots for slashes, which no label's value may have
_PARTS = ("region", "zone", "sub_zone")
_FAILOVERS = 5  # priorities that `failover` tells apart

Locality = tuple[str, str, str]


@dataclass
class Group:
    """Endpoints that a client treats alike, in Envoy's words; `weight` and `priority` are the group's."""

    locality: Locality
    lb_endpoints: list[Json]
    labels: list[Mapping[str, str]]
    weight: int
    priority: int = 0

    def envoy(self) -> Json:
        made: Json = {
            "locality": {name: part for name, part in zip(_PARTS, self.locality, strict=True) if part},
            "load_balancing_weight": self.weight,
            "lb_endpoints": self.lb_endpoints,
        }
        return {**made, "priority": self.priority} if self.priority else made


def locality_of(labels: Mapping[str, str], written: str = "") -> Locality:
    """As written, else as the labels of a pod say."""
    text = written or labels.get(LABEL, "").replace(".", "/")
    parts = text.split("/", 2) if text else [labels.get(name, "") for name in TOPOLOGY]
    region, zone, sub_zone = (*parts, "", "")[:3]
    return region, zone, sub_zone


def grouped(endpoints: Sequence[tuple[Endpoint, Json]]) -> list[Group]:
    """Endpoints by locality; those with their Envoy form."""
    groups: dict[Locality, Group] = {}
    for endpoint, made in endpoints:
        where = locality_of(endpoint.labels, endpoint.locality)
        group = groups.setdefault(where, Group(where, [], [], 0))
        group.lb_endpoints.append(made)
        group.labels.append(endpoint.labels)
        group.weight += endpoint.weight
    return [groups[where] for where in sorted(groups)]


def preferred(groups: list[Group], labels: Mapping[str, str], policy: Json) -> list[Group]:
    """The groups as a client with these labels is to use them under a traffic policy."""
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    if setting.get("enabled") is False or not groups:
        return groups
    here = locality_of(labels)
    if "distribute" in setting:
        return _distributed(groups, here, setting["distribute"] or [])
    if policy.get("outlierDetection") is None:
        return groups
    written = setting.get("failoverPriority") or []
    if written:
        groups = [part for group in groups for part in _by_labels(group, labels, written)]
        _without_gaps(groups)
    if not written or setting.get("failover"):
        for group in groups:
            near = _distance(here, group.locality, setting.get("failover") or [])
            group.priority = group.priority * _FAILOVERS + near
        _without_gaps(groups)
    return groups


def weighs(policy: Json) -> bool:
    """Whether Envoy is to weigh localities against each other."""
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    if setting.get("enabled") is False:
        return False
    ordered = bool(setting.get("failover") or setting.get("failoverPriority"))
    return bool(setting.get("distribute")) or (ordered and policy.get("outlierDetection") is not None)


def within(locality: Locality, written: str) -> bool:
    """Whether a locality is meant by `region/zone/subzone`, of which the end may be left out or `*`."""
    parts = (*written.split("/", 2), "", "")[:3]
    if parts[0] not in ("*", locality[0]):
        return False
    return all(part in ("", "*", own) for part, own in zip(parts[1:], locality[1:], strict=True))


def _distributed(groups: list[Group], here: Locality, written: Sequence[Json]) -> list[Group]:
    """Weights for a client's locality; localities that nobody names get nothing."""
    rule = next((rule for rule in written if within(here, rule.get("from") or "")), None)
    if rule is None:
        return groups
    left, chosen = list(groups), []
    for target, percent in (rule.get("to") or {}).items():
        matched = [group for group in left if within(group.locality, target)]
        total = sum(group.weight for group in matched)
        for group in matched:
            left.remove(group)
            group.weight = math.ceil(group.weight * percent / total)
        chosen += matched
    return [group for group in groups if group in chosen]


def _distance(here: Locality, there: Locality, failover: Sequence[Json]) -> int:
    """0 for the same sub-zone, then zone, region, another region, one that `failover` does not name."""
    if here[0] == there[0]:
        if here[1] != there[1]:
            return 2
        return 0 if here[2] == there[2] else 1
    rule = next((rule for rule in failover if rule.get("from") == here[0]), None)
    return 4 if rule is not None and there[0] != rule.get("to") else 3


def _by_labels(group: Group, labels: Mapping[str, str], written: Sequence[str]) -> list[Group]:
    """A group taken apart by how many of the labels, in order, are as the client's (or as written)."""
    found: dict[int, Group] = {}
    for made, own in zip(group.lb_endpoints, group.labels, strict=True):
        priority = 0
        for index, entry in enumerate(written):
            key, equals, value = entry.partition("=")
            if (value if equals else labels.get(key, "")) != own.get(key, ""):
                priority = len(written) - index
                break
        part = found.setdefault(priority, Group(group.locality, [], [], 0, priority))
        part.lb_endpoints.append(made)
        part.labels.append(own)
        part.weight += int(made.get("load_balancing_weight", 1))
    return [found[priority] for priority in sorted(found)]


def _without_gaps(groups: Sequence[Group]) -> None:
    """Envoy wants priorities from 0 on without gaps."""
    order = {priority: index for index, priority in enumerate(sorted({group.priority for group in groups}))}
    for group in groups:
        group.priority = order[group.priority]
