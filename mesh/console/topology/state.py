"""What the mesh's control API tells of itself, as structs."""

from __future__ import annotations

import msgspec


class Pod(msgspec.Struct, frozen=True):
    """A pod with a proxy; `admin` is its Envoy's admin interface, `account` its namespace/name.

    `metrics`: it makes Istio's metrics of what it sends.
    """

    name: str
    namespace: str
    workload: str
    app: str
    version: str
    account: str
    gateway: bool
    mtls: str
    ip: str
    admin: str
    metrics: bool
    ready: bool
    phase: str
    restarts: int

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.workload}"


class Share(msgspec.Struct, frozen=True):
    """One side of a split: relative weight, and the workloads (namespace/name) that its subset picks."""

    weight: int
    workloads: list[str]


class Split(msgspec.Struct, frozen=True):
    """How a client workload's requests to a service are divided over its subsets."""

    client: str
    service: str
    to: dict[str, Share]


class Topology(msgspec.Struct, frozen=True):
    """`allowed`: pairs of workloads of which a policy lets the first call the second."""

    pods: list[Pod] = []
    splits: list[Split] = []
    allowed: list[tuple[str, str]] = []
