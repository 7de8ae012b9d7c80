"""ServiceEntries, and what a client sees of the registry, on real Envoys."""

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
from tests.mesh.translate.conftest import CLIENT, NAKED, STRANGER
from tests.mesh.translate.echo import EchoServer
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.rules import REGISTRY_ONLY, STRICT, virtual_service

REVIEWS = Pod("reviews-v1", {"app": "reviews", "version": "v1"}, ports=(8080, 9000))
PODS = [CLIENT, STRANGER, NAKED, REVIEWS, Pod("second", {"app": "second"}, ports=(8080, 8443), sidecar=False)]
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


def _static(lab: Lab, *pods: str, more: str = "") -> str:
    endpoints = ", ".join(f"{{ address: {lab.proxy(pod).ip} }}" for pod in pods)
    return entry(
        "api",
        "{ hosts: [api.example.com], location: MESH_EXTERNAL, resolution: STATIC, "
        "ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 },"
        " { number: 9000, name: tcp, protocol: TCP, targetPort: 8080 }],"
        f" addresses: [240.0.0.1], endpoints: [{endpoints}]{more} }}",
    )


def test_a_host_outside_is_reached_at_its_endpoints_even_where_only_the_registry_counts(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY + _static(lab, "naked"))
    assert lab.get("client", "http://api.example.com/").pod == "naked"
    assert lab.get("client", "http://240.0.0.1/").pod == "naked"
    assert lab.get("client", "http://elsewhere.example.com/").status == 502
    assert _tunnel(lab, "api.example.com", 9000)["pod"] == "naked"
    assert _tunnel(lab, "240.0.0.1", 9000)["pod"] == "naked"


def test_a_host_outside_is_routed_and_tried_by_rules(lab: Lab) -> None:
    abort = "{ abort: { httpStatus: 418, percentage: { value: 100 } } }"
    fault = f"[{{ fault: {abort}, route: [{{ destination: {{ host: api.example.com }} }}] }}]"
    lab.apply(_static(lab, "naked") + virtual_service(fault, "api.example.com"))
    assert lab.get("client", "http://api.example.com/").status == 418


def test_dns_finds_the_endpoints(lab: Lab) -> None:
    ports = "ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]"
    for resolution in ("DNS", "DNS_ROUND_ROBIN"):
        found = f"endpoints: [{{ address: {lab.proxy('naked').ip} }}]"
        lab.apply(
            REGISTRY_ONLY
            + entry("api", f"{{ hosts: [api.example.com], resolution: {resolution}, {ports}, {found} }}")
        )
        assert lab.get("client", "http://api.example.com/").pod == "naked"


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


def test_https_goes_through_a_tunnel_as_it_is(lab: Lab, authority: Authority, tmp_path: Path) -> None:
    with _served("127.0.0.1", _secure(authority, tmp_path, "api.example.com")) as port:
        https = f"{{ number: 443, name: https, protocol: HTTPS, targetPort: {port} }}"
        one = "endpoints: [{ address: 127.0.0.1 }], location: MESH_EXTERNAL, resolution: STATIC"
        lab.apply(REGISTRY_ONLY + entry("api", f"{{ hosts: [api.example.com], ports: [{https}], {one} }}"))
        trusting = ssl.create_default_context(cadata=authority.root)
        connection = http.client.HTTPSConnection(*lab.proxy("client").egress, timeout=20, context=trusting)
        connection.set_tunnel("api.example.com", 443)
        connection.request("GET", "/")
        assert json.loads(connection.getresponse().read())["pod"] == "outside"
        connection.close()


def test_an_entry_may_pick_pods_and_workload_entries(lab: Lab) -> None:
    lab.apply(
        REGISTRY_ONLY
        + entry(
            "mixed",
            "{ hosts: [mixed.example.com], location: MESH_INTERNAL, resolution: STATIC, "
            "ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }], "
            "workloadSelector: { labels: { app: reviews } } }",
        )
        + _workload("vm", f"{{ address: {lab.proxy('naked').ip}, labels: {{ app: reviews }} }}")
        + STRICT
    )
    seen = {lab.get("client", "http://mixed.example.com/").pod for _ in range(20)}
    assert seen == {"reviews-v1", "naked"}  # the pod by mutual TLS, the other in plain text


def test_a_namespace_sees_what_is_exported_to_it(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY + _static(lab, "naked", more=", exportTo: [.]"))
    assert lab.get("client", "http://api.example.com/").status == 200
    assert lab.get("stranger", "http://api.example.com/").status == 502
    lab.apply(REGISTRY_ONLY + _kubernetes("hidden", "{ networking.istio.io/exportTo: '.' }"))
    assert lab.get("client", "http://hidden/").status == 200
    assert lab.get("stranger", "http://hidden.default/").status == 502


def test_a_sidecar_resource_narrows_what_its_namespace_calls(lab: Lab) -> None:
    narrow = _sidecar("default", '{ egress: [{ hosts: ["./reviews.default.svc.cluster.local"] }], %s }')
    closed = narrow % "outboundTrafficPolicy: { mode: REGISTRY_ONLY }"
    lab.apply(_static(lab, "naked") + closed)
    assert lab.get("client", "http://reviews/").status == 200
    assert lab.get("client", "http://api.example.com/").status == 502
    assert lab.get("stranger", "http://api.example.com/").status == 200
    assert "outbound|80||api.example.com" not in lab.admin("client", "/clusters")
    chosen = closed.replace("{ egress", "{ workloadSelector: { labels: { app: nobody } }, egress")
    lab.apply(_static(lab, "naked") + chosen)
    assert lab.get("client", "http://api.example.com/").status == 200


def test_rules_that_a_sidecar_does_not_ask_for_are_not_obeyed(lab: Lab) -> None:
    rule = virtual_service("[{ directResponse: { status: 418 } }]")
    lab.apply(rule)
    assert lab.get("client", "http://reviews/").status == 418
    lab.apply(rule + _sidecar("default", '{ egress: [{ hosts: ["other/*"] }] }'))
    assert lab.get("client", "http://reviews/").status != 418


def test_ingress_gives_a_pod_another_port(lab: Lab) -> None:
    lab.apply(
        _kubernetes("reviews-too", "{}", "ports: [{ name: http, port: 80, targetPort: 7070 }]", "reviews")
        + _sidecar(
            "default",
            "{ workloadSelector: { labels: { app: reviews } }, ingress: "
            "[{ port: { number: 7070, protocol: HTTP, name: http }, defaultEndpoint: '127.0.0.1:8080' }] }",
        )
    )
    answer = lab.get("client", "http://reviews-too/")
    assert answer.pod == "reviews-v1"
    assert "x-forwarded-client-cert" in answer.echo["headers"]


def test_a_headless_service_leads_to_all_pods_and_to_each_by_its_name(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY)
    assert lab.get("client", "http://each/").pod == "reviews-v1"
    for name in ("reviews-v1.each", "reviews-v1.each.default.svc.cluster.local"):
        assert lab.get("client", f"http://{name}/").pod == "reviews-v1"
    assert lab.get("client", "http://reviews-v9.each/").status == 502


def test_an_external_name_is_one_more_name_of_a_service(lab: Lab) -> None:
    alias = _external("legacy", "reviews.default.svc.cluster.local")
    lab.apply(REGISTRY_ONLY + alias)
    assert lab.get("client", "http://legacy/").pod == "reviews-v1"
    assert lab.get("stranger", "http://legacy.default/").pod == "reviews-v1"


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


def test_a_client_stays_in_its_locality_until_nobody_there_is_well(lab: Lab) -> None:
    near, far = lab.proxy("naked").ip, lab.proxy("second").ip
    where = f"{{ address: {near}, locality: eu/a }}, {{ address: {far}, locality: us/a }}"
    api = entry(
        "api",
        "{ hosts: [api.example.com], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP,"
        f" targetPort: 8080 }}], endpoints: [{where}] }}",
    )
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: api, namespace: default }
spec:
  host: api.example.com
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 60s, maxEjectionPercent: 100 }
    loadBalancer: { localityLbSetting: { %s } }
---
"""
    lab.apply(api + rule % 'failoverPriority: ["topology.kubernetes.io/region=eu"]')
    assert {lab.get("client", "http://api.example.com/").pod for _ in range(10)} >= {"naked", "second"}
    lab.apply(api + rule % "distribute: [{ from: '*', to: { 'us/*': 100 } }]")
    assert {lab.get("client", "http://api.example.com/").pod for _ in range(10)} == {"second"}


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


def _workload(name: str, spec: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{ name: {name}, namespace: default }}
spec: {spec}
---
"""


def _sidecar(name: str, spec: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{ name: {name}, namespace: default }}
spec: {spec}
---
"""


def _kubernetes(
    name: str,
    annotations: str,
    ports: str = "ports: [{ name: http, port: 80, targetPort: 8080 }]",
    app: str = "naked",
) -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: default, annotations: {annotations} }}
spec: {{ selector: {{ app: {app} }}, {ports} }}
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
