"""What the translators see: resources as loaded, the service registry, and one proxy at a time.

Data only, no I/O. `resources` makes `Resource`s, `workloads` makes `Registry` and `Proxy`,
the translators read all three, `deliver` writes the `Snapshot` they give.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

TRUST_DOMAIN = "cluster.local"
CLUSTER_DOMAIN = "cluster.local"
ROOT_NAMESPACE = "istio-system"
CLUSTER_ID = "Kubernetes"  # Istio's name for the cluster it runs in

Json = dict[str, Any]
Protocol = Literal["http", "http2", "tcp"]
Resolution = Literal["STATIC", "DNS", "DNS_ROUND_ROBIN", "NONE"]


@dataclass(frozen=True)
class Source:
    """Where a resource was written: file and line of the document, and of every field inside it.

    `nulls` are the fields written as null, which the body leaves out.
    """

    file: str
    line: int
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    nulls: tuple[tuple[str | int, ...], ...] = ()

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line of the field at `path` (`("spec", "http", 0)`), else of its nearest parent."""
        for end in range(len(path), -1, -1):
            if (line := self.lines.get(tuple(path[:end]))) is not None:
                return line
        return self.line


@dataclass(frozen=True)
class Resource:
    """One Kubernetes or Istio object. `body` is the whole document, `spec` its `spec` or `{}`."""

    api_version: str
    kind: str
    namespace: str
    name: str
    body: Json
    source: Source

    @property
    def spec(self) -> Json:
        return self.body.get("spec") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        return self.body["metadata"].get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.body["metadata"].get("annotations") or {}

    @cached_property
    def key(self) -> tuple[str, str, str]:
        return (self.kind, self.namespace, self.name)

    @cached_property
    def remembered(self) -> dict[object, Any]:
        """What was made of this very resource alone, by those who made it."""
        return {}

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


class Config:
    """All resources of a mesh, immutable, by kind; in Istio's order of conflict: name, then namespace."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_key = {resource.key: resource for resource in resources}

    def of(self, kind: str) -> list[Resource]:
        return self._by_kind.get(kind, [])

    def get(self, kind: str, namespace: str, name: str) -> Resource | None:
        return self._by_key.get((kind, namespace, name))

    @cached_property
    def remembered(self) -> dict[object, Any]:
        """What was found out about this very configuration, by those who asked."""
        return {}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_key.values())

    @cached_property
    def _by_kind(self) -> dict[str, list[Resource]]:
        kinds: dict[str, list[Resource]] = {}
        for resource in sorted(self._by_key.values(), key=lambda r: (r.name, r.namespace)):
            kinds.setdefault(resource.kind, []).append(resource)
        return kinds


@lru_cache(maxsize=32)
def differing(config: Config, before: Config, kind: str) -> tuple[Resource, ...]:
    """The resources of a kind that are other than `before`: as they are, as they were, or both."""
    now, then = config.of(kind), before.of(kind)
    new = [one for one in now if not _same(one, before.get(*one.key))]
    return (*new, *(one for one in then if not _same(one, config.get(*one.key))))


def _same(one: Resource, other: Resource | None) -> bool:
    return one is other or (other is not None and one.body == other.body)


@dataclass(frozen=True)
class ServicePort:
    """`protocol` follows Istio's rule: `appProtocol`, else the port name's prefix, else tcp.

    `tls` is a TCP port (https, tls) of which the first bytes name a server.
    """

    name: str
    number: int
    target_port: int | str
    protocol: Protocol
    tls: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One address that takes requests, as others see it: a pod, a WorkloadEntry, a line of a ServiceEntry.

    `ports` maps a container port's name to its number, `at` the name of a service's port to the number that
    it has here (`only`: it has no others); `workload` made it. `address` is a name where its service is
    resolved by DNS. `locality` is `region/zone/subzone`. `sidecar`: it speaks the mesh's mutual TLS.
    `written`: by people; it is no pod of ours. `hostname` and `subdomain` are a pod's name below a headless
    Service, where it says them.
    """

    pod: str
    namespace: str
    address: str
    labels: Mapping[str, str]
    service_account: str
    ports: Mapping[str, int]
    sidecar: bool
    ready: bool
    workload: str = ""
    at: Mapping[str, int] = field(default_factory=dict)
    weight: int = 1
    locality: str = ""
    written: bool = False
    hostname: str = ""
    subdomain: str = ""
    only: bool = False

    def target(self, port: ServicePort) -> int | None:
        """The number that `port` leads to here; None when its name is unknown."""
        if port.name in self.at or self.only:
            return self.at.get(port.name)
        return port.target_port if isinstance(port.target_port, int) else self.ports.get(port.target_port)

    @property
    def principal(self) -> str:
        return f"{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.service_account}"


@dataclass(frozen=True)
class Service:
    """What can be called by a host: a Kubernetes Service, or one host of a ServiceEntry.

    `host` is its name where that is not Kubernetes' own (maybe a wildcard). Its endpoints are those written
    at it and those that `selector` picks; `resolution` says how a proxy finds them: they are listed (STATIC),
    or it asks DNS, or it goes where the request says (NONE). `addresses` are virtual IPs, as `cluster_ip` is.
    `external`: outside the mesh, without its identities. `exported_to` is () where only the mesh's default
    speaks. `aliases` are other names for it. `public_ip` is the lasting address of a Service in front of a
    gateway: every gateway pod behind it listens there too, so that clients outside need not know which pods
    run. `declared` is the kind and name of the resource.
    """

    name: str
    namespace: str
    ports: tuple[ServicePort, ...]
    selector: Mapping[str, str]
    cluster_ip: str | None = None
    public_ip: str | None = None
    host: str = ""
    addresses: tuple[str, ...] = ()
    resolution: Resolution = "STATIC"
    external: bool = False
    exported_to: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    headless: bool = False
    even_unready: bool = False
    aliases: tuple[str, ...] = ()
    declared: tuple[str, str] = ("Service", "")

    @cached_property
    def hostname(self) -> str:
        return self.host or f"{self.name}.{self.namespace}.svc.{CLUSTER_DOMAIN}"

    @property
    def resource(self) -> tuple[str, str, str]:
        """The key of the resource that declares it."""
        kind, name = self.declared
        return kind, self.namespace, name or self.name

    def port(self, number: int) -> ServicePort | None:
        return next((port for port in self.ports if port.number == number), None)


@dataclass(frozen=True)
class Registry:
    """All services and the endpoints that selectors may pick, of every namespace.

    `elsewhere` are hosts that only DNS would lead away from the mesh: an ExternalName that names no service.
    """

    services: tuple[Service, ...]
    endpoints: tuple[Endpoint, ...]
    elsewhere: tuple[Service, ...] = ()

    def service(self, hostname: str) -> Service | None:
        """The first of this host; what one client sees, its `View` says."""
        return self._by_hostname.get(hostname)

    def endpoints_of(self, service: Service) -> list[Endpoint]:
        """Every endpoint, ready or not; none for a service without a selector where none is written."""
        if not service.selector:
            return list(service.endpoints)
        wanted = service.selector.items()
        rarest = min(
            (self._by_label.get((service.namespace, key, value), []) for key, value in wanted), key=len
        )
        return [*service.endpoints, *(endpoint for endpoint in rarest if wanted <= endpoint.labels.items())]

    @cached_property
    def remembered(self) -> dict[object, Any]:
        """What was found out about this very registry, by those who asked."""
        return {}

    @cached_property
    def _by_label(self) -> dict[tuple[str, str, str], list[Endpoint]]:
        found: dict[tuple[str, str, str], list[Endpoint]] = {}
        for endpoint in self.endpoints:
            for key, value in endpoint.labels.items():
                found.setdefault((endpoint.namespace, key, value), []).append(endpoint)
        return found

    @cached_property
    def _by_hostname(self) -> dict[str, Service]:
        return {service.hostname: service for service in reversed(self.services)}


@dataclass(frozen=True)
class ContainerPort:
    name: str
    number: int


@dataclass(frozen=True)
class Proxy:
    """One Envoy: the sidecar of a pod, or a gateway.

    `ip` is the pod IP, whose `ports` the proxy owns; the process listens on `app_ip` at the same
    ports (a gateway has no process: `app_ip` is `ip`). `egress` and `admin` are (host, port).
    `folder` holds the bootstrap, the xDS files and `certs/` (SDS files and keys). `annotations` are the
    pod's. `drain_s` is how long a connection may stay idle or go on with a request when its policy changed.
    """

    kind: Literal["sidecar", "gateway"]
    name: str
    namespace: str
    labels: Mapping[str, str]
    service_account: str
    workload: str
    ip: str
    app_ip: str
    ports: tuple[ContainerPort, ...]
    egress: tuple[str, int]
    admin: tuple[str, int]
    folder: Path
    annotations: Mapping[str, str] = field(default_factory=dict)
    drain_s: int = 1

    @property
    def principal(self) -> str:
        return f"{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.service_account}"

    @property
    def node_id(self) -> str:
        role = "router" if self.kind == "gateway" else "sidecar"
        return f"{role}~{self.ip}~{self.name}.{self.namespace}~{self.namespace}.svc.{CLUSTER_DOMAIN}"


@dataclass(frozen=True)
class Snapshot:
    """The whole desired state of one proxy: Envoy resources (proto JSON) by name, per xDS type.

    `endpoints` are ClusterLoadAssignments, `routes` RouteConfigurations. The same inputs give equal
    snapshots, so that only a type that differs is written.
    """

    clusters: Mapping[str, Json]
    endpoints: Mapping[str, Json]
    listeners: Mapping[str, Json]
    routes: Mapping[str, Json]


@dataclass(frozen=True)
class Finding:
    """A mistake or a doubt about what somebody wrote, in the words to show them.

    `field` is the path inside the resource (`spec.http[0].route[1].destination.subset`); `line` is 0 where
    it is about no line. `id` is that of its message (`mesh.local.check.messages`).
    """

    level: Literal["error", "warning"]
    file: str
    line: int
    kind: str
    name: str
    field: str
    message: str
    id: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        if self.message.startswith("valid ") and f"{self.kind}/{self.name} " in self.message:
            return f"{place}: {self.level}: {self.message}"
        words = f"{place}: {self.level}: {self.kind} {self.name}: "
        return f"{words}{self.field}: {self.message}" if self._names_field else words + self.message

    @property
    def _names_field(self) -> bool:
        return bool(self.field) and f'"{self.field}"' not in self.message


class InvalidConfig(Exception):
    """The configuration as a whole is refused; `findings` has at least one error. Nothing changed."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)
