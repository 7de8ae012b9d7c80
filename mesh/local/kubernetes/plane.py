"""The control plane of a Kubernetes as processes: etcd, API server, controllers, scheduler."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import aiohttp
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from mesh.local.kubernetes.certificates import NodeAuthority
from mesh.local.model import Json
from mesh.local.runtime.ca import private_pem
from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import write_atomically

MESH = "delinkcious-mesh"  # who the mesh is at the API server, and the manager of what it writes
Prepare = Callable[[Room], None]
Argv = Callable[[Room], Sequence[str]]
Ready = Callable[[Room], Awaitable[bool]]

API_PORT, CONTROLLERS_PORT, SCHEDULER_PORT = 6443, 10257, 10259
ETCD_PORT, PEER_PORT, HEALTH_PORT = 2379, 2380, 2381
ETCD, SERVER, NODE = "etcd", "kube-apiserver", "node"  # whose certificates there are
WAITS_S = 60.0  # one process for what another makes
READY_WITHIN_S = 180.0  # on a busy machine; usually four
GRACE_S = 3.0  # what they hold is on disk before it is acknowledged
POLL_S = 0.05
# Those that act on what the local mesh can run; each of the others would watch and wait for nothing.
CONTROLLERS = (
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
)
# Who asks the API server, and as which group of it.
USERS = {
    "admin": "system:masters",
    MESH: "system:masters",  # it is the node's kubelet, and writes what an operator would
    "system:kube-controller-manager": "system:masters",
    "system:kube-scheduler": "",
}


class Plane:
    """One control plane below `folder`, of the `programs` by name; its processes are `specs`.

    `kubeconfig` is that of people. Everything in the folder is for its owner alone.
    """

    def __init__(self, folder: Path, programs: Mapping[str, str]) -> None:
        self._folder, self._programs = folder, programs
        self.ca = folder / "certificates" / "apiserver.crt"
        self.kubeconfig = kubeconfig_file(folder)
        self.authority = NodeAuthority(folder / "node")
        self.address = ""  # where the API server and this node listen, once they are prepared
        self._store = ""
        self._store_known, self._prepared = threading.Event(), threading.Event()

    @property
    def specs(self) -> Sequence[ProcessSpec]:
        parts: Sequence[tuple[str, Prepare, Argv, Ready]] = (
            (ETCD, self._place, self._etcd, _etcd_answers),
            (SERVER, self._prepare, self._server, self._answers),
            ("kube-controller-manager", self._known, self._controllers, _serves(CONTROLLERS_PORT)),
            ("kube-scheduler", self._known, self._scheduler, _serves(SCHEDULER_PORT)),
        )
        return [
            ProcessSpec(
                name,
                prepare=prepare,
                command=command,
                ready=ready,
                grace_s=GRACE_S,
                ready_within_s=READY_WITHIN_S,
            )
            for name, prepare, command, ready in parts
        ]

    def account(self, user: str) -> Path:
        """The kubeconfig of one of USERS."""
        return self.kubeconfig if user == "admin" else self._folder / f"{user.replace(':', '-')}.yaml"

    # What each is started with. The flags are those of Kubernetes' own reference.

    def _place(self, room: Room) -> None:
        """Tell the API server where its store is: each process knows its own address only."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.authority.issue(ETCD, room.address)
        self._store = f"https://{room.address}:{ETCD_PORT}"
        self._store_known.set()

    def _etcd(self, room: Room) -> Sequence[str]:
        client, peer = self._store, f"https://{room.address}:{PEER_PORT}"
        known, key, trusted = self._identity(ETCD)
        return (
            self._programs[ETCD],
            f"--data-dir={room.folder / 'data'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--cert-file={known}",
            f"--key-file={key}",
            f"--trusted-ca-file={trusted}",
            "--client-cert-auth",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            f"--peer-cert-file={known}",
            f"--peer-key-file={key}",
            f"--peer-trusted-ca-file={trusted}",
            "--peer-client-cert-auth",
            f"--listen-metrics-urls=http://{room.address}:{HEALTH_PORT}",
            "--unsafe-no-fsync",  # survives every crash but the machine's own
            "--auto-compaction-retention=1h",
            "--log-level=warn",
        )

    def _prepare(self, room: Room) -> None:
        """Keys, tokens and kubeconfigs, made once; new ones when the mesh has another address."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        url, known = f"https://{room.address}:{API_PORT}", self._folder / "url"
        if not (known.exists() and known.read_text() == url):
            self._make_accounts(url)
            write_atomically(known, url)
        self.address = room.address
        self.authority.issue(NODE, room.address)
        self.authority.issue(SERVER)
        self._prepared.set()
        self._store_known.wait(WAITS_S)

    def _make_accounts(self, url: str) -> None:
        for file in self.ca.parent.glob("apiserver.*"):
            file.unlink()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_atomically(self._folder / "accounts.pem", private_pem(key))
        tokens = {user: secrets.token_urlsafe(32) for user in USERS}
        rows = (f'{tokens[user]},{user},{user},"{group}"\n' for user, group in USERS.items())
        write_atomically(self._folder / "tokens.csv", "".join(rows))
        for user, token in tokens.items():
            config = kubeconfig(url, self.ca, user, token)
            write_atomically(self.account(user), yaml.safe_dump(config, sort_keys=False))

    def _known(self, _: Room) -> None:
        """Wait for what the API server makes at its first start: who asks it has to trust it."""
        deadline = time.monotonic() + WAITS_S
        self._prepared.wait(WAITS_S)
        while not self.ca.exists():
            if time.monotonic() > deadline:
                raise MeshError(f"kube-apiserver has made no {self.ca} within {WAITS_S:g} s")
            time.sleep(POLL_S)

    def _server(self, room: Room) -> Sequence[str]:
        accounts = self._folder / "accounts.pem"
        known, key, trusted = self._identity(SERVER)
        return (
            self._programs["kube-apiserver"],
            f"--etcd-servers={self._store}",
            f"--etcd-cafile={trusted}",
            f"--etcd-certfile={known}",
            f"--etcd-keyfile={key}",
            f"--bind-address={room.address}",
            f"--advertise-address={room.address}",
            "--endpoint-reconciler-type=none",  # no loopback address may stand in an Endpoints object
            f"--secure-port={API_PORT}",
            f"--cert-dir={self.ca.parent}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--anonymous-auth=false",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={accounts}",
            f"--service-account-signing-key-file={accounts}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={trusted}",
            f"--kubelet-client-certificate={known}",
            f"--kubelet-client-key={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",  # names for Services; nothing is routed by them
            "--shutdown-delay-duration=0s",
            "--v=0",
        )

    def _identity(self, name: str) -> tuple[Path, Path, Path]:
        """Certificate and key of one side, and whom it trusts."""
        return self.authority.certificate(name), self.authority.key(name), self.authority.ca

    def _controllers(self, room: Room) -> Sequence[str]:
        return (
            self._programs["kube-controller-manager"],
            f"--kubeconfig={self.account('system:kube-controller-manager')}",
            "--leader-elect=false",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={self._folder / 'accounts.pem'}",
            f"--root-ca-file={self.ca}",
            f"--bind-address={room.address}",
            f"--secure-port={CONTROLLERS_PORT}",
            f"--cert-dir={room.folder / 'certificates'}",
        )

    def _scheduler(self, room: Room) -> Sequence[str]:
        account = self.account("system:kube-scheduler")
        return (
            self._programs["kube-scheduler"],
            f"--kubeconfig={account}",
            f"--authentication-kubeconfig={account}",
            f"--authorization-kubeconfig={account}",
            "--leader-elect=false",
            f"--bind-address={room.address}",
            f"--secure-port={SCHEDULER_PORT}",
            f"--cert-dir={room.folder / 'certificates'}",
        )

    async def _answers(self, room: Room) -> bool:
        if not self.ca.exists():
            return False
        account = yaml.safe_load(self.kubeconfig.read_text())
        token = account["users"][0]["user"]["token"]
        trusted = await asyncio.to_thread(ssl.create_default_context, cafile=str(self.ca))
        return await _is_well(f"https://{room.address}:{API_PORT}/readyz", trusted, token)


def kubeconfig_file(folder: Path) -> Path:
    """Where people's kubeconfig is, of a control plane below `folder`."""
    return folder / "kubeconfig.yaml"


def kubeconfig(url: str, authority: Path, user: str, token: str) -> Json:
    """As kubectl reads it: one cluster, one user, one context."""
    name = "delinkcious"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": name}}],
    }


async def _etcd_answers(room: Room) -> bool:
    return await _is_well(f"http://{room.address}:{HEALTH_PORT}/readyz")


def _serves(port: int) -> Ready:
    """Whether a component's own check is well; its certificate is one that it made for itself."""

    async def serves(room: Room) -> bool:
        return await _is_well(f"https://{room.address}:{port}/healthz", verified=False)

    return serves


async def _is_well(
    url: str, trusted: ssl.SSLContext | None = None, token: str = "", *, verified: bool = True
) -> bool:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    check = (trusted or True) if verified else False
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(url, headers=headers, ssl=check) as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
