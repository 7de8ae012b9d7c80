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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mesh.local import bootstrap, files, resources, snapshot
from mesh.local.model import Config, ContainerPort, Endpoint, Proxy, Registry, Service, ServicePort
from tests.mesh.translate.authority import Authority

DEADLINE_S = 20.0


@dataclass(frozen=True)
class Pod:
    """One workload of the lab; `ports` are container ports with an echo server behind each."""

    name: str
    labels: Mapping[str, str]
    ports: tuple[int, ...] = (8080,)
    namespace: str = "default"
    sidecar: bool = True
    gateway: bool = False


@dataclass(frozen=True)
class Answer:
    """What a client saw. `pod` is who answered; `echo` is what reached it (empty when no pod did)."""

    status: int
    headers: Mapping[str, str]
    body: str
    took_s: float

    @property
    def echo(self) -> dict[str, Any]:
        return dict(json.loads(self.body)) if self.body.startswith("{") else {}

    @property
    def pod(self) -> str:
        return str(self.echo.get("pod", ""))


@dataclass
class _Running:
    pod: Pod
    proxy: Proxy
    servers: list[ThreadingHTTPServer] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    written: dict[str, bytes] = field(default_factory=dict)


class Lab:
    def __init__(self, folder: Path, authority: Authority, services: list[Service], pods: list[Pod]) -> None:
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
        return _ask(http.client.HTTPConnection(host, port, timeout=DEADLINE_S), method, url, headers, body)

    def direct(
        self, pod: str, path: str, port: int = 8080, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A plaintext request from outside the mesh to a pod's own port."""
        connection = http.client.HTTPConnection(self.proxy(pod).ip, port, timeout=DEADLINE_S)
        return _ask(connection, "GET", path, headers, None)

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
        return _ask(connection, more.get("method", "GET"), path, headers, more.get("body"))

    def proxy(self, pod: str) -> Proxy:
        return self._pods[pod].proxy

    def admin(self, pod: str, path: str) -> str:
        return _ask(
            http.client.HTTPConnection(*self.proxy(pod).admin, timeout=DEADLINE_S), "GET", path, None, None
        ).body

    def log(self, pod: str) -> str:
        return (self.proxy(pod).folder / "log").read_text()

    @property
    def registry(self) -> Registry:
        return Registry(self._services, tuple(_endpoint(running) for running in self._pods.values()))

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
                workload=pod.labels.get("app", pod.name),
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
            server = _Echo((running.proxy.app_ip, port), running.pod.name, self.requests)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            running.servers.append(server)

    def _launch(self, running: _Running) -> None:
        proxy = running.proxy
        for folder in ("rds", "eds", "certs"):
            (proxy.folder / folder).mkdir(parents=True, exist_ok=True)
        self._authority.write_identity(proxy.folder, f"spiffe://{proxy.principal}")
        if running.pod.gateway:
            self._authority.write_server(
                proxy.folder, "kubernetes://edge", ["*.example.test", "example.test"]
            )
        self._write(running)
        (proxy.folder / files.BOOTSTRAP).write_text(json.dumps(bootstrap.bootstrap(proxy)))
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
        try:
            dump = json.loads(self.admin(running.pod.name, "/config_dump"))
            stats = self.admin(
                running.pod.name, "/stats?filter=draining|warming|version_text|workers_started"
            )
        except OSError:
            return False
        values = dict(line.split(": ", 1) for line in stats.splitlines() if ": " in line)
        busy = [
            name
            for name, value in values.items()
            if name.endswith(("draining", "warming", "warming_clusters")) and value != "0"
        ]
        text = json.dumps(dump)
        wanted = [
            v
            for n, v in ((n, files.version(c)) for n, c in running.written.items())
            if not n.startswith("eds/")
        ]
        listeners = text.count("active_state")
        made = len(json.loads(running.written[files.LISTENERS])["resources"])
        return not busy and all(f'"{version}"' in text for version in wanted) and listeners == made

    def _why(self, running: _Running) -> str:
        return f"{running.pod.name}: not in force\n{self.log(running.pod.name)[-4000:]}"


def service(name: str, namespace: str = "default", **ports: str) -> Service:
    """A service that selects `app: NAME`; ports as `http="80:8080"`, the name's prefix gives the protocol."""
    made = []
    for port_name, numbers in ports.items():
        number, _, target = numbers.partition(":")
        protocol = port_name.partition("_")[0]
        kind = {"http": "http", "grpc": "http2", "http2": "http2"}.get(protocol, "tcp")
        made.append(ServicePort(port_name.replace("_", "-"), int(number), int(target or number), kind))  # type: ignore[arg-type]
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
    )


def _claim_block() -> tuple[socket.socket, str]:
    """A loopback /24 that nobody else uses, with the socket that holds it."""
    while True:
        block = f"127.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}"
        claim = socket.socket()
        try:
            claim.bind((f"{block}.1", 65000))
            claim.listen()
            return claim, block
        except OSError:
            claim.close()


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str] | None,
    body: bytes | None,
) -> Answer:
    began = time.monotonic()
    try:
        connection.request(method, url, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, text, time.monotonic() - began)
    finally:
        connection.close()


class _Echo(ThreadingHTTPServer):
    """Answers with what it was sent. `/status/503` answers 503; `x-sleep: 0.5` waits first."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], pod: str, requests: list[dict[str, Any]]) -> None:
        self.pod = pod
        self.requests = requests
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in the DNS
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Echo

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        seen = {
            "pod": self.server.pod,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode(),
        }
        self.server.requests.append(seen)
        time.sleep(float(self.headers.get("x-sleep") or 0))
        status = int(self.path.removeprefix("/status/")[:3]) if self.path.startswith("/status/") else 200
        text = json.dumps(seen).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass
