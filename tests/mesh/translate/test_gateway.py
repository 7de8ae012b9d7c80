"""Gateway: how the world comes in."""

from __future__ import annotations

import ssl

import pytest

from tests.mesh.translate.authority import Authority
from tests.mesh.translate.conftest import INGRESS_POD, REVIEWS
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import SUBSETS, V1, V2, virtual_service

PODS = [INGRESS_POD, *REVIEWS]

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 80, name: http, protocol: HTTP }
      hosts: ["*.example.test"]
    - port: { number: 80, name: redirect, protocol: HTTP }
      hosts: [secure.example.test]
      tls: { httpsRedirect: true }
    - port: { number: 443, name: https, protocol: HTTPS }
      hosts: [secure.example.test]
      tls: { mode: SIMPLE, credentialName: edge }
    - port: { number: 443, name: mutual, protocol: HTTPS }
      hosts: [mutual.example.test]
      tls: { mode: MUTUAL, credentialName: edge }
---
"""
ON_EDGE = "gateways: [edge]"


def _rules(http: str, host: str, name: str = "rules") -> str:
    return virtual_service(http, host, ON_EDGE).replace("name: rules", f"name: {name}")


def test_plain_http_is_routed_by_host(lab: Lab) -> None:
    lab.apply(GATEWAY + SUBSETS + _rules(f"[{{ {_port(V1)} }}]", "a.example.test"))
    answer = lab.edge("gateway", "a.example.test", "/x")
    assert (answer.status, answer.pod, answer.headers["server"]) == (200, "reviews-v1", "istio-envoy")
    assert lab.edge("gateway", "a.example.test:8080", "/x").status == 200
    assert lab.edge("gateway", "b.example.test", "/x").status == 404
    seen = answer.echo["headers"]
    assert seen["x-forwarded-client-cert"].endswith("/ns/istio-system/sa/ingressgateway")


def test_a_port_without_rules_answers_not_found(lab: Lab) -> None:
    lab.apply(GATEWAY)
    assert lab.edge("gateway", "a.example.test", "/").status == 404


def test_https_and_the_way_to_it(lab: Lab, authority: Authority) -> None:
    lab.apply(GATEWAY + SUBSETS + _rules(f"[{{ {_port(V2)} }}]", "secure.example.test"))
    moved = lab.edge("gateway", "secure.example.test", "/x?q=1")
    assert (moved.status, moved.headers["location"]) == (301, "https://secure.example.test/x?q=1")
    trusting = ssl.create_default_context(cadata=authority.root)
    answer = lab.edge("gateway", "secure.example.test", "/x", port=8443, tls=trusting)
    assert (answer.status, answer.pod) == (200, "reviews-v2")
    assert answer.echo["headers"]["x-forwarded-proto"] == "https"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        lab.edge("gateway", "unknown.example.test", "/x", port=8443, tls=trusting)


def test_mutual_tls_demands_a_certificate(lab: Lab, authority: Authority) -> None:
    lab.apply(GATEWAY + SUBSETS + _rules(f"[{{ {_port(V1)} }}]", "mutual.example.test"))
    bare = ssl.create_default_context(cadata=authority.root)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        lab.edge("gateway", "mutual.example.test", "/", port=8443, tls=bare)
    known = ssl.create_default_context(cadata=authority.root)
    known.load_cert_chain(*lab.client_certificate())
    assert lab.edge("gateway", "mutual.example.test", "/", port=8443, tls=known).status == 200


def test_rules_on_one_host_are_joined_with_catch_alls_last(lab: Lab) -> None:
    first = _rules(f"[{{ {_port(V1)} }}]", "a.example.test", "aaa")
    second = _rules(f"[{{ match: [{{ uri: {{ prefix: /two }} }}], {_port(V2)} }}]", "a.example.test", "bbb")
    lab.apply(GATEWAY + SUBSETS + first + second)
    assert lab.edge("gateway", "a.example.test", "/two").pod == "reviews-v2"
    assert lab.edge("gateway", "a.example.test", "/one").pod == "reviews-v1"


def test_an_exact_host_does_not_fall_through_to_a_wildcard(lab: Lab) -> None:
    exact = _rules(f"[{{ match: [{{ uri: {{ prefix: /x }} }}], {_port(V1)} }}]", "a.example.test", "aaa")
    wildcard = _rules(f"[{{ {_port(V2)} }}]", "*.example.test", "bbb")
    lab.apply(GATEWAY + SUBSETS + exact + wildcard)
    assert lab.edge("gateway", "a.example.test", "/y").status == 404
    assert lab.edge("gateway", "b.example.test", "/y").pod == "reviews-v2"


def _port(route: str) -> str:
    return route.replace("subset:", "port: { number: 80 }, subset:")
