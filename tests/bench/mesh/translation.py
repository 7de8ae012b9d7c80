"""What one edit costs the control plane, by how many services the mesh has (pure, no Envoy)."""

from __future__ import annotations

import copy
import dataclasses
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from mesh.local import resources
from mesh.local.model import (
    Config,
    ContainerPort,
    Endpoint,
    Json,
    Proxy,
    Registry,
    Resource,
    Service,
    ServicePort,
)
from mesh.local.snapshot import Builder, Ground, Routes

SIZES = (10, 100, 1_000)
SIDECARS = 8
GOAL_S = 0.05  # one edit at the largest size, for one sidecar
_EDITS = 7


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds of one edit at `services`: the median of some, at one sidecar and at eight; and all anew."""

    kind: str
    services: int
    one_s: float
    eight_s: float
    first_s: float


def measure(sizes: Sequence[int] = SIZES) -> list[Cost]:
    """Each size with each kind of edit; every service has a VirtualService, a DestinationRule and a pod."""
    return [_cost(kind, size) for kind in ("VirtualService", "DestinationRule") for size in sizes]


def _cost(kind: str, size: int) -> Cost:
    registry = _registry(size)
    declared = [resource for number in range(size) for resource in _policy(number)]
    edited = next(index for index, resource in enumerate(declared) if resource.kind == kind)
    took: dict[int, list[float]] = {1: [], SIDECARS: []}
    first = 0.0
    for sidecars, seconds in took.items():
        builders, routes = [Builder(_proxy(number)) for number in range(sidecars)], Routes()
        first = _build(builders, routes, Config(declared), registry) / sidecars
        for number in range(_EDITS):
            changed = [*declared]
            changed[edited] = _edit(declared[edited], number)
            seconds.append(_build(builders, routes, Config(changed), registry))
    return Cost(kind, size, statistics.median(took[1]), statistics.median(took[SIDECARS]), first)


def _build(builders: Sequence[Builder], routes: Routes, config: Config, registry: Registry) -> float:
    began = time.perf_counter()
    ground = Ground.of(config, registry, {})
    for builder in builders:
        builder.build(ground, config, routes)
    return time.perf_counter() - began


def _edit(resource: Resource, number: int) -> Resource:
    body = copy.deepcopy(resource.body)
    if resource.kind == "VirtualService":
        body["spec"]["http"][0]["timeout"] = f"{number + 1}s"
    else:
        body["spec"]["trafficPolicy"] = {"connectionPool": {"tcp": {"maxConnections": number + 1}}}
    return dataclasses.replace(resource, body=body)


def _registry(size: int) -> Registry:
    ports = (ServicePort("http", 80, 8080, "http"),)
    services = tuple(Service(_name(n), "default", ports, {"app": _name(n)}) for n in range(size))
    return Registry(services, tuple(_endpoint(number) for number in range(size)))


def _endpoint(number: int) -> Endpoint:
    name = _name(number)
    labels = {"app": name, "version": "v1"}
    address = f"127.9.{number // 250}.{number % 250 + 1}"
    return Endpoint(f"{name}-0", "default", address, labels, name, {"http": 8080}, True, True, name)


def _proxy(number: int) -> Proxy:
    name, ip = _name(number), f"127.9.0.{number + 1}"
    return Proxy(
        kind="sidecar",
        name=f"{name}-0",
        namespace="default",
        labels={"app": name, "version": "v1"},
        service_account=name,
        workload=name,
        ip=ip,
        app_ip=f"127.8.0.{number + 1}",
        ports=(ContainerPort("http", 8080),),
        egress=(ip, 15001),
        admin=(ip, 15000),
        folder=Path("/nowhere") / name,
    )


def _policy(number: int) -> list[Resource]:
    host = _name(number)
    split = [{"destination": {"host": host, "subset": name}, "weight": 50} for name in ("v1", "v2")]
    special = {"match": [{"headers": {"x-version": {"exact": "v2"}}}], "route": [split[1] | {"weight": 100}]}
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    documents = [
        _document("VirtualService", host, {"hosts": [host], "http": [special, {"route": split}]}),
        _document("DestinationRule", host, {"host": host, "subsets": subsets}),
    ]
    return resources.parse("\n---\n".join(map(json.dumps, documents)), f"{host}.json")


def _document(kind: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _name(number: int) -> str:
    return f"service-{number}"
