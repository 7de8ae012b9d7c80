"""A control plane of Kubernetes as three processes on loopback."""

from __future__ import annotations

import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mesh.local.runtime.process import ending_with_us

Json = dict[str, Any]
STARTS_WITHIN_S = 120.0
# Those that the tests need; the others would only cost time.
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "endpointslice-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "persistentvolumeclaim-protection-controller",
)
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"  # which takes JSON too


class Refused(Exception):
    """An answer of the API server that is no success."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Cluster:
    """`programs` are the paths of etcd, kube-apiserver and kube-controller-manager."""

    def __init__(self, folder: Path, programs: dict[str, str]) -> None:
        self._folder, self._programs = folder, programs
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = secrets.token_hex(16)
        self.url = f"https://127.0.0.1:{free_port()}"
        self.ca = folder / "certificates" / "apiserver.crt"
        self.kubeconfig = folder / "kubeconfig.yaml"
        self._client: httpx2.Client | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        store = self._start_etcd()
        self._start_server(store)
        self._until(lambda: self.ca.exists(), "the certificate of kube-apiserver")
        self._client = self.client(self._token)
        self._until(self._is_ready, "kube-apiserver")
        self.write_kubeconfig(self.kubeconfig, self._token)
        self._start_controllers()

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def client(self, token: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"}
        trusted = ssl.create_default_context(cafile=str(self.ca))
        return httpx2.Client(base_url=self.url, verify=trusted, headers=headers, timeout=30, trust_env=False)

    def write_kubeconfig(self, file: Path, token: str, namespace: str = "default") -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}
            ],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [
                {"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}
            ],
        }
        file.write_text(yaml.safe_dump(config))

    # Calls as the administrator; a refusal raises Refused.

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Json:
        assert self._client is not None
        content = None if body is None else msgspec.json.encode(body)
        answer = self._client.request(method, path, content=content, headers={"Content-Type": kind})
        if answer.status_code >= 400:
            raise Refused(answer.status_code, answer.text)
        found: Json = answer.json()
        return found

    def get(self, path: str) -> Json:
        return self.call("GET", path)

    def post(self, path: str, body: Json) -> Json:
        return self.call("POST", f"{path}?fieldValidation=Strict", body)

    def merge(self, path: str, body: Json) -> Json:
        return self.call("PATCH", path, body, MERGE)

    def kinds(self) -> dict[tuple[str, str], tuple[str, bool]]:
        """(version, kind) -> (the path of its objects, {} for a namespace; whether they are in one)."""
        versions = {"v1": "/api/v1"}
        for group in self.get("/apis")["groups"]:
            versions |= {each["groupVersion"]: f"/apis/{each['groupVersion']}" for each in group["versions"]}
        found = {}
        for version, path in versions.items():
            for each in self.get(path)["resources"]:
                if "/" not in each["name"]:
                    space = "/namespaces/{}" if each["namespaced"] else ""
                    found[version, each["kind"]] = (f"{path}{space}/{each['name']}", each["namespaced"])
        return found

    def token(self, namespace: str, account: str) -> str:
        """Of a service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.call("POST", path, {"spec": {}})["status"]["token"])

    # How it starts.

    def _start_etcd(self) -> str:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        )
        return client

    def _start_server(self, store: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        file = self._folder / "accounts.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        tokens = self._folder / "tokens.csv"
        tokens.write_text(f"{self._token},admin,admin,system:masters\n")
        self._run(
            "kube-apiserver",
            f"--etcd-servers={store}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # no loopback address may stand in an Endpoints object
            f"--secure-port={self.url.rpartition(':')[2]}",
            f"--cert-dir={self.ca.parent}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={file}",
            f"--service-account-signing-key-file={file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--v=0",
        )

    def _start_controllers(self) -> None:
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={self._folder / 'accounts.pem'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={self._folder / 'controllers'}",
        )

    def _run(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    ending_with_us(self._programs[name], *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._folder,
                )
            )

    def _is_ready(self) -> bool:
        assert self._client is not None
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def _until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not reached():
            ended = [process for process in self._processes if process.poll() is not None]
            logs = "\n".join(file.read_text()[-1500:] for file in sorted(self._folder.glob("*.log")))
            assert not ended, f"it ended:\n{logs}"
            assert time.monotonic() < deadline, f"{what} is not there:\n{logs}"
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
