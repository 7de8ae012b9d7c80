"""Gateway servers that carry no HTTP, and several kinds of them on one port."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from mesh.local.model import Service, ServicePort
from tests.mesh.translate.authority import Authority
from tests.mesh.translate.conftest import INGRESS_POD
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.plain_server import certified, serving, word_of
from tests.mesh.translate.rules import STORE_SUBSETS, TO_STORE, policy, virtual_service

PODS = [
    INGRESS_POD,
    Pod("store-v1", {"app": "store", "version": "v1"}, ports=(8080, 9000, 9443)),
    Pod("store-v2", {"app": "store", "version": "v2"}, ports=(8080, 9000, 9443)),
]
INGRESS = Service(
    "ingress",
    "istio-system",
    (ServicePort("tcp", 31400, 8080, "tcp"), ServicePort("https", 443, 8443, "tcp")),
    {"istio": "ingressgateway"},
)
SERVED = [service("store", http="80:8080", tcp="9000", tls="443:9443"), INGRESS]
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 31400, name: tcp, protocol: TCP }, hosts: ["*"] }
    - port: { number: 443, name: passed, protocol: TLS }
      hosts: ["*.passed.test"]
      tls: { mode: PASSTHROUGH }
    - { port: { number: 443, name: also, protocol: HTTPS }, hosts: [also.test], tls: { mode: PASSTHROUGH } }
    - port: { number: 443, name: ended, protocol: TLS }
      hosts: [ended.example.test]
      tls: { mode: SIMPLE, credentialName: edge }
    - port: { number: 443, name: http, protocol: HTTPS }
      hosts: [http.example.test]
      tls: { mode: OPTIONAL_MUTUAL, credentialName: edge }
---
"""


@pytest.fixture(scope="module", autouse=True)
def _words(running: Lab, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    tls = certified(
        authority, tmp_path_factory.mktemp("store"), "a.passed.test", "b.passed.test", "also.test"
    )
    with contextlib.ExitStack() as stack:
        for pod in ("store-v1", "store-v2"):
            stack.enter_context(serving(running.vacate(pod, 9000), pod))
            stack.enter_context(serving(running.vacate(pod, 9443), pod, tls))
        yield


def _bound(spec: str, hosts: str, name: str = "bound") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: {name}, namespace: default }}
spec:
  hosts: [{hosts}]
  gateways: [edge]
  {spec}
---
"""


def _say(lab: Lab, port: int) -> str:
    return word_of(socket.create_connection((lab.proxy("gateway").ip, port), timeout=20))


def _hello(lab: Lab, authority: Authority, name: str) -> str:
    trusting = ssl.create_default_context(cadata=authority.root)
    connection = socket.create_connection((lab.proxy("gateway").ip, 8443), timeout=20)
    return word_of(connection, trusting, name)


def test_a_tcp_server_leads_where_the_first_bound_rule_says(lab: Lab) -> None:
    other = f"{{ match: [{{ port: 1 }}], {TO_STORE % ('v1', 9000)} }}"
    rules = _bound(f"tcp: [{other}, {{ match: [{{ port: 31400 }}], {TO_STORE % ('v2', 9000)} }}]", '"*"')
    lab.apply(GATEWAY + STORE_SUBSETS + rules)
    assert {_say(lab, 8080) for _ in range(4)} == {"store-v2"}


def test_a_port_without_rules_is_closed(lab: Lab) -> None:
    lab.apply(GATEWAY + STORE_SUBSETS)
    with pytest.raises(OSError):
        _say(lab, 8080)


def test_policies_guard_a_tcp_server(lab: Lab) -> None:
    rules = _bound(f"tcp: [{{ {TO_STORE % ('v2', 9000)} }}]", '"*"')
    address = lab.proxy("gateway").ip
    for block, met in (("192.0.2.0/24", True), ("127.0.0.0/8", False)):
        deny = f"{{ action: DENY, rules: [{{ from: [{{ source: {{ ipBlocks: ['{block}'] }} }}] }}] }}"
        lab.apply(GATEWAY + STORE_SUBSETS + rules + policy("deny", deny, "istio-system"))
        if met:
            assert _say(lab, 8080) == "store-v2", address
        else:
            with pytest.raises(OSError):
                _say(lab, 8080)


def test_a_gateway_believes_the_line_before_everything_where_it_is_told_to(lab: Lab) -> None:
    topology = """
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    defaultConfig: { gatewayTopology: { proxyProtocol: {} } }
---
"""
    server = "{ port: { number: 31400, name: tcp, protocol: HTTP }"
    plain = GATEWAY.replace("{ port: { number: 31400, name: tcp, protocol: TCP }", server)
    http = virtual_service(f"[{{ {TO_STORE % ('v1', 80)} }}]", "http.example.test", "gateways: [edge]")
    lab.apply(topology + plain + STORE_SUBSETS + http)
    with socket.create_connection((lab.proxy("gateway").ip, 8080), timeout=20) as connection:
        line = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n"
        request = b"GET / HTTP/1.1\r\nHost: http.example.test\r\nConnection: close\r\n\r\n"
        connection.sendall(line + request)
        said = b""
        while part := connection.recv(10_000):
            said += part
    assert b'"x-forwarded-for": "192.0.2.7"' in said


def test_tls_is_passed_on_by_its_server_name(lab: Lab, authority: Authority) -> None:
    first = f"{{ match: [{{ sniHosts: [a.passed.test] }}], {TO_STORE % ('v1', 443)} }}"
    second = (
        f"{{ match: [{{ sniHosts: ['*.passed.test', also.test], port: 443 }}], {TO_STORE % ('v2', 443)} }}"
    )
    lab.apply(GATEWAY + STORE_SUBSETS + _bound(f"tls: [{first}, {second}]", "'*.passed.test', also.test"))
    assert {_hello(lab, authority, "a.passed.test") for _ in range(4)} == {"store-v1"}
    assert {_hello(lab, authority, "b.passed.test") for _ in range(4)} == {"store-v2"}
    assert _hello(lab, authority, "also.test") == "store-v2"
    with pytest.raises(OSError):
        _hello(lab, authority, "none.test")


def test_tls_that_ends_at_the_gateway_carries_tcp_and_http_side_by_side(
    lab: Lab, authority: Authority
) -> None:
    tcp = _bound(f"tcp: [{{ {TO_STORE % ('v1', 9000)} }}]", "ended.example.test", "tcp")
    http = virtual_service(f"[{{ {TO_STORE % ('v2', 80)} }}]", "http.example.test", "gateways: [edge]")
    lab.apply(GATEWAY + STORE_SUBSETS + tcp + http)
    assert {_hello(lab, authority, "ended.example.test") for _ in range(4)} == {"store-v1"}
    trusting = ssl.create_default_context(cadata=authority.root)
    assert lab.edge("gateway", "http.example.test", "/", port=8443, tls=trusting).pod == "store-v2"
    known = ssl.create_default_context(cadata=authority.root)
    known.load_cert_chain(*lab.client_certificate())
    assert lab.edge("gateway", "http.example.test", "/", port=8443, tls=known).status == 200
