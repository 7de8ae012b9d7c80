"""The floor of a proxy: Envoys that only forward: alone, in a pair with mutual TLS, with TLS at the edge.

No filter but the router, no access log, no metrics of Istio's, no span; one worker thread, as the mesh has.
"""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509

from tests.bench.running import Started
from tests.mesh.translate.authority import Authority

Json: TypeAlias = dict[str, Any]

HOST = "127.0.0.1"
SERVER = "floor.test"
STARTS_WITHIN_S = 60.0
_TYPE = "type.googleapis.com/envoy"
_TLS = "extensions.transport_sockets.tls.v3"
_HTTP = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class Certificates:
    """A server's and a client's certificate of one authority, as Envoy takes them."""

    def __init__(self) -> None:
        self._authority = Authority("floor")
        self._own = self._pair([x509.DNSName(SERVER)])

    def trust(self) -> ssl.SSLContext:
        """For a client of `server(...)` without a certificate of its own."""
        context = ssl.create_default_context(cadata=self._authority.root)
        context.check_hostname = False
        context.set_alpn_protocols(["http/1.1"])
        return context

    def server(self, *, mutual: bool) -> Json:
        """The transport socket of a listener; `mutual` asks for the client's certificate."""
        body: Json = {"common_tls_context": self._context(trusts=mutual)}
        if mutual:
            body["require_client_certificate"] = True
        return _socket("DownstreamTlsContext", body)

    def client(self) -> Json:
        """The transport socket of a cluster that shows a certificate and trusts the authority."""
        return _socket(
            "UpstreamTlsContext", {"common_tls_context": self._context(trusts=True), "sni": SERVER}
        )

    def _context(self, *, trusts: bool) -> Json:
        context: Json = {"tls_certificates": [self._own]}
        if trusts:
            context["validation_context"] = {"trusted_ca": {"inline_string": self._authority.root}}
        return context

    def _pair(self, names: list[x509.GeneralName]) -> Json:
        chain, key = self._authority.issue(names)
        return {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}


@contextmanager
def envoy(upstream: int, *, server: Json | None = None, client: Json | None = None) -> Iterator[Started]:
    """One Envoy before the port `upstream`; `server` and `client` are its transport sockets."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "envoy.json").write_text(json.dumps(_bootstrap(upstream, server, client)))
        log = stack.enter_context((folder / "log").open("wb"))
        program = str(package_files("envoy") / "_bin" / "envoy")
        command = [program, "--config-path", str(folder / "envoy.json"), "--concurrency", "1"]
        command += [
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "--admin-address-path",
            str(folder / "admin"),
        ]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield Started(process.pid, _port(process, folder))
        finally:
            process.kill()
            process.wait(30)


def _port(process: subprocess.Popen[bytes], folder: Path) -> int:
    """Where its listener listens."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "admin").exists() and (address := (folder / "admin").read_text()):
            connection = http.client.HTTPConnection(address, timeout=STARTS_WITHIN_S)
            connection.request("GET", "/listeners?format=json")
            for listener in json.loads(connection.getresponse().read()).get("listener_statuses", []):
                return int(listener["local_address"]["socket_address"]["port_value"])
        time.sleep(0.05)
    raise SystemExit(f"an Envoy did not start: {(folder / 'log').read_text()[-2000:]}")


def _bootstrap(upstream: int, server: Json | None, client: Json | None) -> Json:
    address = {"socket_address": {"address": HOST, "port_value": 0}}
    return {
        "admin": {"address": address},
        "static_resources": {
            "listeners": [{"name": "floor", "address": address, "filter_chains": [_chain(server)]}],
            "clusters": [_cluster(upstream, client)],
        },
    }


def _chain(server: Json | None) -> Json:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "floor"}}
    connections = {
        "@type": f"{_TYPE}.{_HTTP}",
        "stat_prefix": "floor",
        "generate_request_id": False,
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}
    return {"filters": [network], **({"transport_socket": server} if server else {})}


def _cluster(upstream: int, client: Json | None) -> Json:
    address = {"socket_address": {"address": HOST, "port_value": upstream}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    found: Json = {
        "name": "floor",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "floor", "endpoints": endpoints},
    }
    return found | ({"transport_socket": client} if client else {})


def _socket(kind: str, body: Mapping[str, Any]) -> Json:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{_TYPE}.{_TLS}.{kind}", **body},
    }
