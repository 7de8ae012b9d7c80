"""What no case of the conformance suite can name: own certificates, pods by name, tunnels to anywhere."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mesh.local.model import Service, ServicePort
from tests.mesh.translate.authority import Authority
from tests.mesh.translate.conftest import CLIENT
from tests.mesh.translate.echo import EchoServer
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.rules import REGISTRY_ONLY, virtual_service

REVIEWS = Pod("reviews-v1", {"app": "reviews", "version": "v1"}, ports=(8080, 9000))
PODS = [CLIENT, REVIEWS]
HTTP = ServicePort("http", 80, 8080, "http")
HEADLESS = Service("each", "default", (HTTP,), {"app": "reviews"}, headless=True)
SERVED = [service("reviews", http="80:8080", tcp="9000:9000"), HEADLESS]


def entry(name: str, spec: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: {name}, namespace: default }}
spec: {spec}
---
"""


def test_a_name_that_nobody_resolves_holds_up_no_edit_and_is_unavailable(lab: Lab) -> None:
    ports = "ports: [{ number: 80, name: http, protocol: HTTP }]"
    lab.apply(entry("gone", f"{{ hosts: [gone.invalid], resolution: DNS, {ports} }}"))
    assert lab.get("client", "http://gone.invalid/").status == 503


def test_without_resolution_the_request_says_where_to(lab: Lab) -> None:
    with _served("127.0.0.1") as port:
        ports = f"ports: [{{ number: {port}, name: http, protocol: HTTP }}]"
        lab.apply(REGISTRY_ONLY + entry("own", f'{{ hosts: ["*.localhost"], resolution: NONE, {ports} }}'))
        assert lab.get("client", f"http://x.localhost:{port}/").pod == "outside"
        assert lab.get("client", f"http://x.example.com:{port}/").status == 502
        ports = f"ports: [{{ number: {port}, name: tls, protocol: TLS }}]"
        lab.apply(REGISTRY_ONLY + entry("own", f'{{ hosts: ["*.localhost"], resolution: NONE, {ports} }}'))
        assert _tunnel(lab, "x.localhost", port)["pod"] == "outside"
        with pytest.raises(OSError, match="502"):
            _tunnel(lab, "x.example.com", port)


def test_an_authority_that_a_rule_rewrites_leads_nowhere_else(lab: Lab) -> None:
    inside = ":".join(map(str, lab.proxy("reviews-v1").admin))
    with _served("127.0.0.1") as port:
        ports = f"ports: [{{ number: {port}, name: http, protocol: HTTP }}]"
        own = entry("own", f'{{ hosts: ["*.localhost"], resolution: NONE, {ports} }}')
        there = 'route: [{ destination: { host: "*.localhost" } }]'
        rewritten = f'[{{ rewrite: {{ authority: "{inside}" }}, {there} }}]'
        lab.apply(own + virtual_service(rewritten, "*.localhost"))
        answer = lab.get("client", f"http://x.localhost:{port}/ready")
        assert (answer.pod, answer.echo["headers"]["host"]) == ("outside", inside)


def test_a_sidecar_turns_http_into_https_on_its_way_out(
    lab: Lab, authority: Authority, tmp_path: Path
) -> None:
    root = tmp_path / "root.pem"
    root.write_text(authority.root)
    with _served("127.0.0.1", _secure(authority, tmp_path, "api.example.com")) as port:
        http = f"{{ number: 80, name: http, protocol: HTTP, targetPort: {port} }}"
        one = "endpoints: [{ address: 127.0.0.1 }], location: MESH_EXTERNAL, resolution: STATIC"
        api = entry("api", f"{{ hosts: [api.example.com], ports: [{http}], {one} }}")
        lab.apply(REGISTRY_ONLY + api + _tls("api.example.com", f"SIMPLE, caCertificates: {root}"))
        assert lab.get("client", "http://api.example.com/").pod == "outside"
        other = entry("api", f"{{ hosts: [other.example.com], ports: [{http}], {one} }}")
        lab.apply(REGISTRY_ONLY + other + _tls("other.example.com", f"SIMPLE, caCertificates: {root}"))
        assert lab.get("client", "http://other.example.com/").status == 503  # the certificate names another


def test_a_headless_service_leads_to_all_pods_and_to_each_by_its_name(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY)
    assert lab.get("client", "http://each/").pod == "reviews-v1"
    for name in ("reviews-v1.each", "reviews-v1.each.default.svc.cluster.local"):
        assert lab.get("client", f"http://{name}/").pod == "reviews-v1"
    assert lab.get("client", "http://reviews-v9.each/").status == 502


def test_an_external_name_of_no_service_leads_where_dns_does_unless_the_mesh_is_closed(lab: Lab) -> None:
    with _served("127.0.0.1") as port:
        away = _external("away", "localhost", f"[{{ name: http, port: {port} }}]")
        lab.apply(away)
        answer = lab.get("client", f"http://away:{port}/")
        assert answer.pod == "outside"
        assert answer.echo["headers"]["host"] == f"away:{port}"
        assert _tunnel(lab, "away", port)["pod"] == "outside"
        lab.apply(REGISTRY_ONLY + away)
        assert lab.get("client", f"http://away:{port}/").status == 502


def test_what_dns_says_leads_to_no_proxys_inside(lab: Lab) -> None:
    address, port = lab.proxy("reviews-v1").admin
    lab.apply(_external("away", address, f"[{{ name: http, port: {port} }}]"))
    answer = lab.get("client", f"http://away:{port}/ready")
    assert (answer.status, answer.body) == (403, "RBAC: access denied")
    with pytest.raises(OSError, match="403"):
        _tunnel(lab, "away", port)


def _tls(host: str, mode: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: tls, namespace: default }}
spec:
  host: {host}
  trafficPolicy: {{ tls: {{ mode: {mode} }} }}
---
"""


def _external(name: str, host: str, ports: str = "[]") -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: default }}
spec: {{ type: ExternalName, externalName: {host}, ports: {ports} }}
---
"""


def _tunnel(lab: Lab, host: str, port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection(*lab.proxy("client").egress, timeout=20)
    try:
        connection.set_tunnel(host, port)
        connection.request("GET", "/", headers={"Host": host})
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def _secure(authority: Authority, folder: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS under a name."""
    chain, key = folder / "server.pem", folder / "server.key"
    for path, text in zip((chain, key), authority.issue([x509.DNSName(name)]), strict=True):
        path.write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@contextlib.contextmanager
def _served(address: str, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server outside of the mesh; its port."""
    server = EchoServer((address, 0), "outside", [])
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()
        server.server_close()
