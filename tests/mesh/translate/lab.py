"""A small mesh for tests: echo servers as pods, a real Envoy before each, certificates of its own.

Every lab claims a loopback /24, so that labs run side by side. `apply` writes what `snapshot.build`
gives and returns when every Envoy has it in force.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509

from mesh.local import bootstrap, files, resources, snapshot
from mesh.local import registry as registries
from mesh.local.model import Config, ContainerPort, Endpoint, Proxy, Registry, Service, ServicePort
from tests.mesh.translate.authority import Authority
from tests.mesh.translate.client import Answer, ask
from tests.mesh.translate.echo import EchoServer

DEADLINE_S = 60.0


@dataclass(frozen=True)
class Pod:
    """One workload of the lab; `ports` are container ports with an echo server behind each."""

    name: str
    labels: Mapping[str, str]
    ports: tuple[int, ...] = (8080,)
    namespace: str = "default"
    sidecar: bool = True
    gateway: bool = False


@dataclass
class _Running:
    pod: Pod
    proxy: Proxy
    servers: list[ThreadingHTTPServer] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    written: dict[str, bytes] = field(default_factory=dict)


class Lab:
    def __init__(
        self,
        folder: Path,
        authority: Authority,
        services: list[Service],
        pods: list[Pod],
        runtime: Mapping[str, str] | None = None,
    ) -> None:
        self._runtime = runtime
        self._folder = folder
        self._authority = authority
        self._services = tuple(services)
        self._claim, self._block = _claim_block()
        self.requests: list[dict[str, Any]] = []
        self.jwks: dict[str, str] = {}
        self.config = Config([])
        self._pods = {
            pod.name: self._place(pod, number)
            for number, pod in enumerate(sorted(pods, key=lambda p: p.name))
        }

    def start(self, istio: str = "") -> None:
        """Start everything and return when all is in force."""
        self._load(istio)
        for running in self._pods.values():
            self._serve(running)
            if running.pod.sidecar or running.pod.gateway:
                self._launch(running)
        self._wait()

    def stop(self) -> None:
        for running in self._pods.values():
            if running.process is not None:
                running.process.send_signal(signal.SIGKILL)
                running.process.wait()
            for server in running.servers:
                server.shutdown()
                server.server_close()
        self._claim.close()

    def apply(self, istio: str) -> None:
        """Replace all Istio configuration."""
        self._load(istio)
        for running in self._pods.values():
            if running.process is not None:
                self._write(running)
        self._wait()

    def _load(self, istio: str) -> None:
        self.config = Config(resources.parse(istio, "lab.yaml") if istio.strip() else [])

    def vacate(self, pod: str, port: int) -> tuple[str, int]:
        """End the echo server of a container port; the address where a test may serve in its place."""
        running = self._pods[pod]
        [server] = [server for server in running.servers if server.server_port == port]
        running.servers.remove(server)
        server.shutdown()
        server.server_close()
        return running.proxy.app_ip, port

    # --- asking

    def get(
        self,
        client: str,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """A request that the pod `client` sends through its sidecar, in absolute form."""
        host, port = self.proxy(client).egress
        return ask(http.client.HTTPConnection(host, port, timeout=DEADLINE_S), method, url, headers, body)

    def direct(
        self, pod: str, path: str, port: int = 8080, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A plaintext request from outside the mesh to a pod's own port."""
        connection = http.client.HTTPConnection(self.proxy(pod).ip, port, timeout=DEADLINE_S)
        return ask(connection, "GET", path, headers, None)

    def edge(
        self,
        gateway: str,
        host: str,
        path: str,
        *,
        port: int = 8080,
        tls: ssl.SSLContext | None = None,
        **more: Any,
    ) -> Answer:
        """A request from the world to a gateway, over TLS with SNI `host` when `tls` is given."""
        address = self.proxy(gateway).ip
        connection = http.client.HTTPConnection(address, port, timeout=DEADLINE_S)
        if tls is not None:
            raw = socket.create_connection((address, port), timeout=DEADLINE_S)
            connection.sock = tls.wrap_socket(raw, server_hostname=host.partition(":")[0])
        headers = {"Host": host, **(more.get("headers") or {})}
        return ask(connection, more.get("method", "GET"), path, headers, more.get("body"))

    def proxy(self, pod: str) -> Proxy:
        return self._pods[pod].proxy

    def admin(self, pod: str, path: str) -> str:
        return ask(
            http.client.HTTPConnection(*self.proxy(pod).admin, timeout=DEADLINE_S), "GET", path, None, None
        ).body

    def admin_post(self, pod: str, path: str) -> str:
        connection = http.client.HTTPConnection(*self.proxy(pod).admin, timeout=DEADLINE_S)
        return ask(connection, "POST", path, None, None).body

    def log(self, pod: str) -> str:
        return (self.proxy(pod).folder / "log").read_text()

    def wait_for_log(self, *pods: str, text: str) -> None:
        """Return once the access log of one of the pods' sidecars says `text`."""
        deadline = time.monotonic() + DEADLINE_S
        while not any(text in self.log(pod) for pod in pods):
            assert time.monotonic() < deadline, f"{text!r} is in no log"
            time.sleep(0.02)

    def client_certificate(self) -> tuple[Path, Path]:
        """Files with a certificate, and its key, that the gateway's `edge` credential trusts."""
        certificate, key = self._authority.issue([x509.DNSName("client.example.test")])
        paths = self._folder / "client.pem", self._folder / "client.key"
        for path, text in zip(paths, (certificate, key), strict=True):
            path.write_text(text)
        return paths

    @property
    def registry(self) -> Registry:
        services = [*self._services, *registries.declared(self.config)]
        return registries.registry(services, map(_endpoint, self._pods.values()), self.config)

    # --- building

    def _place(self, pod: Pod, number: int) -> _Running:
        folder = self._folder / pod.name
        address = f"{self._block}.{2 + 2 * number}"
        app = address if pod.gateway or not pod.sidecar else f"{self._block}.{3 + 2 * number}"
        return _Running(
            pod,
            Proxy(
                kind="gateway" if pod.gateway else "sidecar",
                name=pod.name,
                namespace=pod.namespace,
                labels=pod.labels,
                service_account=pod.labels.get("app", pod.name),
                workload=pod.name,
                ip=address,
                app_ip=app,
                ports=tuple(ContainerPort(f"p{port}", port) for port in pod.ports),
                egress=(address, 15001),
                admin=(address, 15000),
                folder=folder,
            ),
        )

    def _serve(self, running: _Running) -> None:
        if running.pod.gateway:
            return
        for port in running.pod.ports:
            server = EchoServer((running.proxy.app_ip, port), running.pod.name, self.requests)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            running.servers.append(server)

    def _launch(self, running: _Running) -> None:
        proxy = running.proxy
        for folder in ("rds", "eds", "certs"):
            (proxy.folder / folder).mkdir(parents=True, exist_ok=True)
        self._authority.write_identity(proxy.folder, f"spiffe://{proxy.principal}")
        if running.pod.gateway:
            names = ["*.example.test", "example.test"]
            self._authority.write_server(proxy.folder, files.credential("edge"), names)
            self._authority.write_trusted(proxy.folder, files.credential_authority("edge"))
        self._write(running)
        (proxy.folder / files.BOOTSTRAP).write_text(json.dumps(bootstrap.bootstrap(proxy, self._runtime)))
        with (proxy.folder / "log").open("wb") as log:
            command = bootstrap.command(proxy)
            running.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def _write(self, running: _Running) -> None:
        made = snapshot.build(running.proxy, self.config, self.registry, self.jwks)
        contents = files.contents(made)
        order = sorted(
            contents, key=lambda name: (name == files.LISTENERS, not name.startswith("eds/"), name)
        )
        for name in order:
            if running.written.get(name) != contents[name]:
                target = running.proxy.folder / name
                temporary = target.with_name(target.name + ".new")
                temporary.write_bytes(contents[name])
                os.replace(temporary, target)
        running.written = contents

    def _wait(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        for running in self._pods.values():
            while running.process is not None and not self._in_force(running):
                assert running.process.poll() is None, self.log(running.pod.name)
                assert time.monotonic() < deadline, self._why(running)
                time.sleep(0.01)

    def _in_force(self, running: _Running) -> bool:
        """All files read, nothing warming, no old listener left."""
        try:
            dump = self.admin(running.pod.name, "/config_dump")
            stats = self.admin(running.pod.name, "/stats?filter=draining|warming&format=json")
        except OSError:
            return False
        if any(stat["value"] for stat in json.loads(stats)["stats"] if "value" in stat):
            return False
        made = len(json.loads(running.written[files.LISTENERS])["resources"])
        wanted = {
            files.version(content)
            for name, content in running.written.items()
            if not name.startswith("eds/") and (name != files.LISTENERS or made)
        }
        return all(version in dump for version in wanted) and dump.count('"active_state"') == made

    def _why(self, running: _Running) -> str:
        return f"{running.pod.name}: not in force\n{self.log(running.pod.name)[-4000:]}"


def service(name: str, namespace: str = "default", **ports: str) -> Service:
    """A service that selects `app: NAME`; ports as `http="80:8080"`, the name's prefix gives the protocol."""
    made = []
    for port_name, numbers in ports.items():
        number, _, target = numbers.partition(":")
        protocol = port_name.partition("_")[0]
        kind = {"http": "http", "grpc": "http2", "http2": "http2"}.get(protocol, "tcp")
        made.append(
            ServicePort(
                port_name.replace("_", "-"),
                int(number),
                int(target or number),
                kind,  # type: ignore[arg-type]
                tls=protocol in ("https", "tls"),
            )
        )
    return Service(name, namespace, tuple(made), {"app": name})


def _endpoint(running: _Running) -> Endpoint:
    proxy = running.proxy
    return Endpoint(
        pod=proxy.name,
        namespace=proxy.namespace,
        address=proxy.ip,
        labels=proxy.labels,
        service_account=proxy.service_account,
        ports={port.name: port.number for port in proxy.ports},
        sidecar=running.pod.sidecar,
        ready=True,
        workload=running.pod.name,
    )


def _claim_block() -> tuple[socket.socket, str]:
    """A loopback /24 that nobody else uses, with the socket that holds it."""
    while True:
        block = f"127.{200 + secrets.randbelow(50)}.{secrets.randbelow(128)}"  # pods are in the lower half
        claim = socket.socket()
        try:
            claim.bind((f"{block}.1", 65000))
            claim.listen()
            return claim, block
        except OSError:
            claim.close()
