"""This project on the local mesh: which files it runs, its database, its secrets, its public certificate."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from delinkcious import console, control_planes, edge, environments, rollouts
from delinkcious.secrets import LocalSecrets, Manifest, addresses, secret
from delinkcious.stores.nats import OPERATOR, Nats
from delinkcious.stores.postgres import ADMIN, Postgres
from delinkcious.stores.redis import Redis
from delinkcious.tools import finding
from mesh.local.model import ROOT_NAMESPACE
from mesh.local.runtime.client import Client
from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.control_plane import ControlPlane
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.mesh import Mesh, Options
from mesh.local.runtime.sources import Declared, Files
from mesh.local.runtime.state import State
from services.kit.settings import Secret

DATABASES = ("users", "links", "social-graph", "link-checker", "web")
# Who has events of its own, and their subjects; the others only listen.
PUBLISHERS = {
    "users": ["events.*.delinkcious.user.>"],
    "links": ["events.*.delinkcious.link.>"],
    "social-graph": ["events.*.delinkcious.social.>"],
    "link-checker": ["events.*.delinkcious.check.>"],
}
BROKER_USERS = (*PUBLISHERS, "news", "web", OPERATOR)
WITH_REDIS = ("news",)
MONITOR = "monitoring"  # who may look at the numbers of the stores, and at nothing else
MANIFESTS = Path("helm") / "local.yaml"
POLICY = Path("mesh") / "istio"
GATEWAY = "ingressgateway"
GATEWAY_PORT = 8443  # where its pods and the lasting address before them listen
BACKGROUND = "canary-load"
OBSERVABILITY = "observability"
LOOKING = {"jaeger": "traces", "prometheus": "metrics"}  # what people open
LOOKING_AT = {"jaeger": 16686, "prometheus": 9090}
CERTIFICATE = "delinkcious-tls"  # what mesh/istio/gateway.yaml names
POSTGRES_STOP = signal.SIGINT  # its fast shutdown: SIGTERM waits for every client to leave
POSTGRES_PORT, NATS_PORT, NATS_MONITORING_PORT, REDIS_PORT = 5432, 4222, 8222, 6379


class NotACheckout(LookupError):
    """The current folder is in no checkout of this project."""


def project(start: Path | None = None) -> Path:
    """The checkout that `start` (the current folder) lies in; its files are what runs."""
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / MANIFESTS).is_file() and (folder / POLICY).is_dir():
            return folder
    raise NotACheckout(f"{begin} is not inside a checkout of Delinkcious (no {MANIFESTS} in it or above it)")


def state(explicit: Path | None = None, environment: str | None = None) -> State:
    """The state folder: the one named, or that of an environment of the checkout. Raises LookupError."""
    return State(explicit or environments.find(project(), environment).folder)


def make_mesh(
    checkout: Path,
    folder: Path,
    report: Callable[[str], None],
    environment: str | None = None,
    control_plane: str = control_planes.EMBEDDED,
) -> Mesh:
    """The whole application on a mesh; nothing runs before `Mesh.run`. Raises LookupError, MeshError."""
    meant = environments.find(checkout, environment)
    files = Files([meant.manifests, checkout / POLICY, meant.splits(folder)])
    plane, processes = control_planes.control_plane(control_plane, folder, report)
    return mesh_of(checkout, folder, files, [rollouts.companion(folder), *processes], report, plane)


def mesh_of(
    checkout: Path,
    folder: Path,
    declared: Declared,
    beside: Sequence[ProcessSpec],
    report: Callable[[str], None],
    plane: ControlPlane,
) -> Mesh:
    """What is declared, with the stores and Secrets of this project, and more processes beside them."""
    secrets = LocalSecrets.load_or_create(folder / "secrets.json", DATABASES, BROKER_USERS)
    made: list[Mesh] = []

    def own_secrets(_: Room) -> str:
        """The Secrets that an operator would make on Kubernetes."""
        public = made[0].service_ip(f"{ROOT_NAMESPACE}/{GATEWAY}")
        rooms = {companion.spec.name: companion.room for companion in made[0].companions}
        certificate = _public_certificate(folder, ["localhost", public])
        background = _background(secrets, folder, public)
        return _yaml([*secrets.manifests(), certificate, _monitoring(secrets, rooms), background])

    processes = [_database(secrets, own_secrets), _broker(secrets), _redis(secrets)]
    processes += [console.companion(checkout, folder), *beside]
    options = Options(locate=finding.locate, control_plane=plane)
    made.append(Mesh(folder, declared, processes=processes, report=report, options=options))
    return made[0]


def _database(secrets: LocalSecrets, more: Callable[[Room], str]) -> ProcessSpec:
    def server(room: Room) -> Postgres:
        return Postgres(room.folder, room.address, POSTGRES_PORT)

    async def create(room: Room) -> None:
        await server(room).ensure_monitor(MONITOR, secrets.monitoring)
        for name in DATABASES:
            await server(room).ensure_database(name, secrets.databases[name])

    def resources(room: Room) -> str:
        urls = {name: server(room).url(name, secrets.databases[name], name) for name in DATABASES}
        return _yaml(addresses("database", urls)) + "---\n" + more(room)

    return ProcessSpec(
        name="postgres",
        prepare=lambda room: server(room).initialise(),
        command=lambda room: server(room).command(),
        ready=lambda room: server(room).ready(),
        started=create,
        resources=resources,
        stop_signal=POSTGRES_STOP,
    )


def _broker(secrets: LocalSecrets) -> ProcessSpec:
    def server(room: Room) -> Nats:
        return Nats(room.folder, room.address, NATS_PORT, NATS_MONITORING_PORT)

    def resources(room: Room) -> str:
        urls = {name: server(room).url(name, secrets.broker[name]) for name in BROKER_USERS}
        return _yaml(addresses("nats", urls))

    return ProcessSpec(
        name="nats",
        prepare=lambda room: server(room).initialise(secrets.broker, PUBLISHERS),
        command=lambda room: server(room).command(),
        ready=lambda room: server(room).ready(),
        resources=resources,
    )


def _redis(secrets: LocalSecrets) -> ProcessSpec:
    def server(room: Room) -> Redis:
        return Redis(room.folder, room.address, REDIS_PORT)

    def resources(room: Room) -> str:
        return _yaml(addresses("redis", dict.fromkeys(WITH_REDIS, server(room).url(secrets.redis))))

    return ProcessSpec(
        name="redis",
        prepare=lambda room: server(room).initialise(secrets.redis, (MONITOR, secrets.monitoring)),
        command=lambda room: server(room).command(),
        ready=lambda room: server(room).ready(secrets.redis),
        resources=resources,
    )


def _monitoring(secrets: LocalSecrets, rooms: Mapping[str, Room]) -> Manifest:
    """Where the stores' numbers are, for the process that shows them to Prometheus."""
    postgres, redis, nats = rooms["postgres"], rooms["redis"], rooms["nats"]
    password = secrets.monitoring
    urls = {
        "postgres-url": Postgres(postgres.folder, postgres.address, POSTGRES_PORT).url(
            MONITOR, password, ADMIN
        ),
        "redis-url": Redis(redis.folder, redis.address, REDIS_PORT).url(password, MONITOR),
        "nats-url": f"http://{nats.address}:{NATS_MONITORING_PORT}",
    }
    return secret("stores-monitoring", urls, namespace=OBSERVABILITY)


def _yaml(manifests: Sequence[Manifest]) -> str:
    return yaml.safe_dump_all(manifests, sort_keys=False)


def _public_certificate(folder: Path, hosts: Sequence[str]) -> Manifest:
    chain, key = edge.server_certificate(folder / "edge", hosts)
    values = {"tls.crt": chain, "tls.key": key}
    return secret(CERTIFICATE, values, namespace=ROOT_NAMESPACE, kind="kubernetes.io/tls")


def _background(secrets: LocalSecrets, folder: Path, public: str) -> Manifest:
    """Where background traffic comes in, as people do, what it trusts, and who it is."""
    values = {
        "host": f"https://{public}:{GATEWAY_PORT}",
        "ca.crt": edge.authority_file(folder / "edge").read_text(),
        "password": secrets.background,
    }
    return secret(BACKGROUND, values)


def ingress_url(explicit: Path | None = None) -> str:
    """The public address of the running installation. Raises LookupError when none runs."""
    try:
        services = Client(state(explicit)).get("/get/services", namespace=ROOT_NAMESPACE)
    except MeshError as error:
        raise LookupError(str(error)) from error
    for service in services:
        if service["name"] == GATEWAY and service["publicIp"]:
            return f"https://{service['publicIp']}:{service['ports']['443']['targetPort']}"
    where = state(explicit).folder
    raise LookupError(f"another mesh runs in {where}: it has no gateway {ROOT_NAMESPACE}/{GATEWAY}")


def tool_url(name: str, explicit: Path | None = None) -> str:
    """The address of Jaeger's or Prometheus' pages. Raises LookupError, which says why it is not there."""
    try:
        pods = Client(state(explicit)).get("/get/pods", namespace=OBSERVABILITY)
    except MeshError as error:
        raise LookupError(str(error)) from error
    pod = next((pod for pod in pods if pod["workload"] == name), None)
    if pod is None:
        raise LookupError(f"{name} is no part of this installation")
    if not pod["ready"]:
        reasons = [part["reason"] for part in pod["containers"] if part["reason"]]
        raise LookupError("; ".join(reasons) or f"{name} is not ready")
    return f"http://{pod['ip']}:{LOOKING_AT[name]}"


def console_url(explicit: Path | None = None) -> str:
    """The console of the running installation. Raises LookupError."""
    return console.url(state(explicit))


def broker_url(explicit: Path | None = None) -> Secret:
    """The broker of the running installation, for whoever looks after it. Raises LookupError."""
    folder = state(explicit).folder
    file = folder / "secrets.json"
    address = Nats.address(folder / "processes" / "nats")
    if address is None or not file.exists():
        raise LookupError(
            f"no broker runs in {folder}: start it with delinkcious up, or name one with --nats"
        )
    password = LocalSecrets.load_or_create(file, DATABASES, BROKER_USERS).broker[OPERATOR]
    host, port = address
    return Secret(Nats(folder, host, port, 0).url(OPERATOR, password))


def database_url(service: str, explicit: Path | None = None) -> Secret:
    """The database of a service of the running installation. Raises LookupError."""
    folder = state(explicit).folder
    address = Postgres.address(folder / "processes" / "postgres")
    file = folder / "secrets.json"
    if address is None or not file.exists():
        raise LookupError(f"no database runs in {folder}: delinkcious up starts it")
    password = LocalSecrets.load_or_create(file, DATABASES, BROKER_USERS).databases[service]
    host, port = address
    return Secret(Postgres(folder, host, port).url(service, password, service))


def redis_url(explicit: Path | None = None) -> Secret:
    """The Redis of the running installation. Raises LookupError."""
    folder = state(explicit).folder
    address = Redis.address(folder / "processes" / "redis")
    file = folder / "secrets.json"
    if address is None or not file.exists():
        raise LookupError(f"no Redis runs in {folder}: delinkcious up starts it")
    host, port = address
    password = LocalSecrets.load_or_create(file, DATABASES, BROKER_USERS).redis
    return Secret(Redis(folder, host, port).url(password))


def authority_file(explicit: Path | None = None) -> Path:
    """The certificate to trust for `ingress_url`."""
    return edge.authority_file(state(explicit).folder / "edge")


def relative(path: Path) -> str:
    """As a person in the current folder would write it."""
    return os.path.relpath(path)
