"""This project on the local mesh: which files it runs, its database, its secrets, its public certificate."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import yaml

from delinkcious import edge
from delinkcious.secrets import LocalSecrets, Manifest, secret
from delinkcious.stores.postgres import Postgres
from mesh.local.model import ROOT_NAMESPACE
from mesh.local.runtime.client import Client
from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.state import FOLDER, State

SERVICES = ("users", "links")
MANIFESTS = Path("helm") / "local.yaml"
POLICY = Path("mesh") / "istio"
GATEWAY = "ingressgateway"
CERTIFICATE = "delinkcious-tls"  # what mesh/istio/gateway.yaml names
POSTGRES_PORT = 5432


class NotACheckout(LookupError):
    """The current folder is in no checkout of this project."""


def project(start: Path | None = None) -> Path:
    """The checkout that `start` (the current folder) lies in; its files are what runs."""
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / MANIFESTS).is_file() and (folder / POLICY).is_dir():
            return folder
    raise NotACheckout(f"{begin} is not inside a checkout of Delinkcious (no {MANIFESTS} in it or above it)")


def state(explicit: Path | None = None) -> State:
    """The state folder: the one named, or `.delinkcious` of the checkout."""
    return State(explicit or project() / FOLDER)


def make_mesh(checkout: Path, folder: Path, report: Callable[[str], None]) -> Mesh:
    """The whole application on a mesh; nothing runs before `Mesh.run`."""
    secrets = LocalSecrets.load_or_create(folder / "secrets.json", SERVICES)
    made: list[Mesh] = []

    def resources(room: Room) -> str:
        """The Secrets that an operator would make on Kubernetes."""
        database = _server(room)
        urls = {name: database.url(name, secrets.databases[name], name) for name in SERVICES}
        hosts = ["localhost", made[0].service_ip(f"{ROOT_NAMESPACE}/{GATEWAY}")]
        manifests = [*secrets.manifests(urls), _public_certificate(folder, hosts)]
        return yaml.safe_dump_all(manifests, sort_keys=False)

    database = ProcessSpec(
        name="postgres",
        prepare=lambda room: _server(room).initialise(),
        command=lambda room: _server(room).command(),
        ready=lambda room: _server(room).ready(),
        started=_databases(secrets),
        resources=resources,
        stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown: SIGTERM waits for every client to leave
    )
    made.append(Mesh(folder, [checkout / MANIFESTS, checkout / POLICY], processes=[database], report=report))
    return made[0]


def _server(room: Room) -> Postgres:
    return Postgres(room.folder, room.address, POSTGRES_PORT)


def _databases(secrets: LocalSecrets) -> Callable[[Room], Awaitable[None]]:
    async def create(room: Room) -> None:
        for name in SERVICES:
            await _server(room).ensure_database(name, secrets.databases[name])

    return create


def _public_certificate(folder: Path, hosts: Sequence[str]) -> Manifest:
    chain, key = edge.server_certificate(folder / "edge", hosts)
    values = {"tls.crt": chain, "tls.key": key}
    return secret(CERTIFICATE, values, namespace=ROOT_NAMESPACE, kind="kubernetes.io/tls")


def ingress_url(explicit: Path | None = None) -> str:
    """The public address of the running installation. Raises LookupError when none runs."""
    try:
        services = Client(state(explicit)).get("/get/services", namespace=ROOT_NAMESPACE)
    except MeshError as error:
        raise LookupError(str(error)) from error
    for service in services:
        if service["name"] == GATEWAY and service["publicIp"]:
            return f"https://{service['publicIp']}:{service['ports']['443']['targetPort']}"
    raise LookupError(f"no gateway {ROOT_NAMESPACE}/{GATEWAY} runs")


def authority_file(explicit: Path | None = None) -> Path:
    """The certificate to trust for `ingress_url`."""
    return edge.authority_file(state(explicit).folder / "edge")


def relative(path: Path) -> str:
    """As a person in the current folder would write it."""
    return os.path.relpath(path)
