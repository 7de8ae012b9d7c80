"""Services and endpoints out of what people write."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.local import registry as registries
from mesh.local.model import Config, Registry
from mesh.local.registry import protocols
from mesh.local.resources import parse


def _registry(*resources: str) -> Registry:
    config = Config(parse("---".join(resources), "registry.yaml"))
    return registries.registry(registries.declared(config), [], config)


def _written(kind: str, name: str, spec: str, version: str = "networking.istio.io/v1") -> str:
    return f"""
apiVersion: {version}
kind: {kind}
metadata: {{ name: {name}, namespace: shop }}
spec: {spec}
"""


@pytest.mark.parametrize(
    ("name", "app_protocol", "protocol"),
    [
        ("http", None, "http"),
        ("http-api", None, "http"),
        ("HTTP2-x", None, "http2"),
        ("grpc-web", None, "http2"),
        ("grpc-web-x", None, "http2"),
        ("grpc", None, "http2"),
        ("tcp", None, "tcp"),
        ("", None, "tcp"),
        ("api", None, "tcp"),
        ("https", None, "tcp"),
        ("http", "tcp", "tcp"),
        ("tcp", "http", "http"),
        ("a", "http-extra", "http"),
        ("a", "kubernetes.io/h2c", "http2"),
        ("a", "kubernetes.io/ws", "http"),
        ("http", "kubernetes.io/wss", "tcp"),
        ("a", "mongo", "tcp"),
        ("a", "redis", "tcp"),
        ("a", "mysql", "tcp"),
        ("http", "", "tcp"),
    ],
)
def test_a_ports_protocol_is_its_app_protocol_else_in_its_name(
    name: str, app_protocol: str | None, protocol: str
) -> None:
    assert protocols.protocol(protocols.spoken(name, app_protocol)) == protocol


@pytest.mark.parametrize(
    ("word", "protocol"), [("GRPC-Web", "http2"), ("HTTP_PROXY", "http"), ("TLS", "tcp")]
)
def test_an_entrys_protocol_is_a_word(word: str, protocol: str) -> None:
    assert protocols.protocol(word) == protocol


def test_every_host_of_an_entry_is_a_service() -> None:
    spec = "{ hosts: [A.example.com, b.example.com], addresses: [10.0.0.0/32, 10.1.0.0/16], resolution: DNS }"
    found = _registry(_written("ServiceEntry", "api", spec))
    assert [service.hostname for service in found.services] == ["a.example.com", "b.example.com"]
    first = found.services[0]
    assert (first.addresses, first.external, first.resolution) == (("10.0.0.0", "10.1.0.0/16"), True, "DNS")
    assert [one.address for one in found.endpoints_of(first)] == ["a.example.com"]
    assert first.resource == ("ServiceEntry", "shop", "api")


def test_an_endpoints_own_port_counts_before_the_entrys_target_port() -> None:
    spec = """{ hosts: [a.example.com], resolution: STATIC,
      ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 81 },
              { number: 90, name: tcp, protocol: TCP }],
      endpoints: [{ address: 10.0.0.1, ports: { http: 82 } }, { address: 10.0.0.2 }] }"""
    service = _registry(_written("ServiceEntry", "api", spec)).services[0]
    targets = [[one.target(port) for port in service.ports] for one in service.endpoints]
    assert targets == [[82, 90], [81, 90]]


def test_entries_of_one_host_and_namespace_are_one_service_each_endpoint_with_its_own_ports() -> None:
    spec = """{ hosts: [a.example.com], resolution: STATIC,
      ports: [{ number: PORT, name: NAME, protocol: HTTP, targetPort: 1PORT }],
      endpoints: [{ address: 10.0.0.PORT }] }"""
    plain = spec.replace("PORT", "80").replace("NAME", "http")
    other = spec.replace("PORT", "81").replace("NAME", "http-b")
    found = _registry(_written("ServiceEntry", "a", plain), _written("ServiceEntry", "b", other))
    (service,) = found.services
    targets = [[one.target(port) for port in service.ports] for one in found.endpoints_of(service)]
    assert [port.number for port in service.ports] == [80, 81]
    assert targets == [[180, None], [None, 181]]
    unlike = _written("ServiceEntry", "b", other.replace("resolution: STATIC", "resolution: DNS"))
    (first,) = _registry(_written("ServiceEntry", "a", plain), unlike).services
    assert [port.number for port in first.ports] == [80]


def test_an_endpoint_speaks_mutual_tls_by_its_account_or_by_its_label() -> None:
    tls = "security.istio.io/tlsMode"
    spec = f"""{{ hosts: [a.example.com], resolution: STATIC, endpoints: [
      {{ address: 10.0.0.1 }}, {{ address: 10.0.0.2, serviceAccount: a }},
      {{ address: 10.0.0.3, labels: {{ {tls}: istio }} }},
      {{ address: 10.0.0.4, serviceAccount: a, labels: {{ {tls}: disabled }} }}] }}"""
    service = _registry(_written("ServiceEntry", "api", spec)).services[0]
    assert [one.sidecar for one in service.endpoints] == [False, True, True, False]


def test_a_selector_picks_workload_entries_of_its_namespace() -> None:
    entry = _written("ServiceEntry", "api", "{ hosts: [a], workloadSelector: { labels: { app: vm } } }")
    near = _written("WorkloadEntry", "near", "{ address: 10.0.0.1, labels: { app: vm } }")
    far = _written("WorkloadEntry", "far", "{ address: 10.0.0.2, labels: { app: vm } }")
    kubernetes = _written("Service", "plain", "{ selector: { app: vm }, ports: [{ port: 80 }] }", "v1")
    found = _registry(entry, near, far.replace("namespace: shop", "namespace: other"), kubernetes)
    assert [[one.pod for one in found.endpoints_of(service)] for service in found.services] == [["near"]] * 2


def _external(name: str, host: str) -> str:
    return _written("Service", name, f"{{ type: ExternalName, externalName: {host} }}", "v1")


def test_an_external_name_is_an_alias_of_what_it_leads_to_over_any_others() -> None:
    entry = _written("ServiceEntry", "api", "{ hosts: [api.example.com] }")
    found = _registry(entry, _external("a", "b.shop.svc.cluster.local"), _external("b", "API.example.com."))
    assert [service.aliases for service in found.services] == [
        ("a.shop.svc.cluster.local", "b.shop.svc.cluster.local")
    ]
    assert found.elsewhere == ()


def test_an_external_name_of_no_service_leads_elsewhere_and_one_in_a_circle_nowhere() -> None:
    found = _registry(
        _external("a", "b.shop.svc.cluster.local"),
        _external("b", "www.example.com"),
        _external("c", "d.shop.svc.cluster.local"),
        _external("d", "c.shop.svc.cluster.local"),
    )
    assert found.services == ()
    led: Any = {service.name: service.endpoints[0].address for service in found.elsewhere}
    assert led == {"a": "www.example.com", "b": "www.example.com"}
