"""Where the names that applications use lead to."""

from __future__ import annotations

import re
from typing import Any

from mesh.local import resources
from mesh.local.istiod.egress import UNADDRESSED, route_configuration
from mesh.local.model import Config

TEXT = """
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 80 }, { name: tcp, port: 9000 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: shop }
spec:
  hosts: [api.bank.example, "*.bank.example"]
  ports: [{ number: 443, name: tls, protocol: TLS }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: virtual, namespace: shop }
spec: { hosts: [virtual.example, reviews], http: [{ directResponse: { status: 204 } }] }
"""
REGISTRY_ONLY = """
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }
"""


def _table(namespace: str, text: str = TEXT) -> dict[str, Any]:
    config = Config(resources.parse(text, "a.yaml"))
    found: dict[str, Any] = route_configuration(namespace, config, {"shop/reviews": "10.97.0.1"})
    return found


def _towards(host: dict[str, Any]) -> str:
    headers = host["typed_per_filter_config"]["envoy.filters.http.set_filter_state"]["on_request_headers"]
    [local] = [each for each in headers if each["object_key"].endswith("local_ip")]
    return str(local["format_string"]["text_format_source"]["inline_string"])


def _leads(table: dict[str, Any]) -> dict[str, str]:
    hosts = table["virtual_hosts"][:-1]
    return {domain: _towards(host) for host in hosts for domain in host["domains"]}


def test_a_name_of_a_service_leads_to_its_virtual_address_and_port() -> None:
    leads = _leads(_table("shop"))
    for name in ("reviews", "reviews.shop", "reviews.shop.svc.cluster.local", "reviews.shop:80"):
        assert leads[name] == "10.97.0.1:80"
    assert leads["reviews:9000"] == "10.97.0.1:9000"


def test_the_short_name_is_known_in_its_own_namespace() -> None:
    leads = _leads(_table("other"))
    assert "reviews" not in leads
    assert leads["reviews.shop"] == "10.97.0.1:80"


def test_hosts_without_an_address_are_captured_for_their_name() -> None:
    leads = _leads(_table("shop"))
    assert leads["api.bank.example:443"] == leads["*.bank.example:443"] == f"{UNADDRESSED}:443"
    assert leads["virtual.example"] == f"{UNADDRESSED}:80"


def test_no_two_hosts_have_the_same_domain() -> None:
    domains = [domain for host in _table("shop", TEXT)["virtual_hosts"] for domain in host["domains"]]
    assert len(domains) == len(set(domains))


def test_other_names_are_forwarded_unless_only_known_ones_may_be_called() -> None:
    forwarded = _table("shop")["virtual_hosts"][-1]["routes"][-1]
    assert forwarded["route"]["cluster"] == "egress-forward"
    routes = _table("shop", TEXT + REGISTRY_ONLY)["virtual_hosts"][-1]["routes"]
    assert not [route for route in routes if route.get("route", {}).get("cluster") == "egress-forward"]


def test_what_is_inside_a_pod_is_refused_by_its_address() -> None:
    inside = ["127.20.128.5:8080", "127.20.200.5"]
    inside += [f"127.20.0.5:{port}" for port in ("15000", "015001", "15002")]
    outside = ("127.20.0.5:8080", "127.20.0.5", "127.0.0.1:15000", "127.0.200.1", "10.1.1.1:15000")
    for text in (TEXT, TEXT + REGISTRY_ONLY):
        routes = _table("shop", text)["virtual_hosts"][-1]["routes"]
        for route in routes[:2]:
            assert route["direct_response"] == {"status": 403}
            [header] = route["match"]["headers"]
            pattern = re.compile(header["string_match"]["safe_regex"]["regex"])
            assert all(map(pattern.fullmatch, inside))
            assert not any(map(pattern.fullmatch, outside))
        assert "connect_matcher" in routes[0]["match"]


def test_a_domain_in_upper_case_is_no_second_one() -> None:
    text = TEXT.replace("[api.bank.example,", "[api.bank.example, API.bank.example,")
    domains = [domain for host in _table("shop", text)["virtual_hosts"] for domain in host["domains"]]
    assert "api.bank.example:443" in domains
    assert len({domain.lower() for domain in domains}) == len(domains)
