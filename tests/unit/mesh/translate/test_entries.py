"""Entries beside other names of the mesh, and at addresses of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mesh.local import registry as registries
from mesh.local import snapshot
from mesh.local.envoy import names
from mesh.local.envoy.clusters import outbound
from mesh.local.envoy.view import View
from mesh.local.model import Config, Json
from mesh.local.resources import parse
from mesh.local.snapshot import Builder, Ground, Routes
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

CLIENT = PROXIES["client"]


def _service(name: str, spec: str) -> str:
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: default }}
spec: {spec}
"""


def _entry(hosts: str, more: str = "resolution: STATIC, endpoints: [{ address: 10.1.1.1 }]") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: written, namespace: default }}
spec: {{ hosts: {hosts}, ports: [{{ number: 80, name: http, protocol: HTTP }}], {more} }}
"""


AGAIN = _service("again", "{ type: ExternalName, externalName: a.default.svc.cluster.local }")
EACH = _service("a", "{ clusterIP: None, selector: { app: a }, ports: [{ port: 80, name: http }] }")
ENDPOINTS = (*REGISTRY.endpoints, replace(REGISTRY.endpoints[0], pod="z-0", labels={"app": "a"}))


def _domains(text: str) -> Counter[str]:
    config = Config(parse(text, "entries.yaml"))
    services = [*REGISTRY.services, *registries.declared(config)]
    made = snapshot.build(CLIENT, config, registries.registry(services, ENDPOINTS, config), {})
    hosts = made.routes[names.EGRESS_ROUTES]["virtual_hosts"]
    return Counter(domain for host in hosts for domain in host["domains"])


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (EACH + AGAIN + _entry("[again.default.svc.cluster.local]"), "again.default.svc.cluster.local"),
        (EACH + _entry("[z-0.a.default.svc.cluster.local]"), "z-0.a.default.svc.cluster.local"),
        (_entry('[out.example, "out.example."]'), "out.example."),
        (_entry('["*.out.example", "*.out.example."]', "resolution: NONE"), "*.out.example."),
    ],
    ids=["another name of a service", "a pod of a headless service", "a final dot", "a wildcard with one"],
)
def test_a_domain_belongs_to_one_virtual_host(text: str, host: str) -> None:
    domains = _domains(text)
    assert domains[host] == 1
    assert max(domains.values()) == 1


def _addresses(address: str, port: int) -> list[Json]:
    more = f"resolution: STATIC, endpoints: [{{ address: '{address}', ports: {{ http: {port} }} }}]"
    config = Config(parse(_entry("[out.example]", more), "entries.yaml"))
    registry = registries.registry(registries.declared(config), [], config)
    cluster = outbound(View(CLIENT, config, registry, {}))["outbound|80||out.example"]
    groups = cluster["load_assignment"]["endpoints"]
    return [one["endpoint"]["address"]["socket_address"] for group in groups for one in group["lb_endpoints"]]


@pytest.mark.parametrize("address", ["127.1.0.10", "::ffff:127.1.0.10", "127.9.0.10"])
@pytest.mark.parametrize("port", [15000, 15001])
def test_an_entry_leads_to_no_proxys_inside(address: str, port: int) -> None:
    assert _addresses(address, port) == []


@pytest.mark.parametrize("address", ["127.1.128.10", "::ffff:127.1.200.10", "127.9.255.1"])
def test_an_entry_leads_past_no_sidecar_to_a_process(address: str) -> None:
    assert _addresses(address, 8080) == []


@pytest.mark.parametrize(
    ("address", "port"), [("127.1.0.10", 8080), ("127.0.0.1", 15000), ("127.0.200.1", 80), ("::1", 80)]
)
def test_an_entry_leads_to_pods_and_to_the_machines_own_programs(address: str, port: int) -> None:
    assert _addresses(address, port) == [{"address": address, "port_value": port}]


def test_an_entry_named_as_a_pod_is_no_second_host_after_an_edit() -> None:
    machine = """
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: z-0, namespace: default }
spec: { address: 10.1.1.1, labels: { app: a } }
"""
    edit = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: a, namespace: default }
spec: { host: a, trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } } }
"""
    builder, routes = Builder(CLIENT), Routes()
    first = Config(parse(EACH + machine, "entries.yaml"))
    registry = registries.registry(registries.declared(first), ENDPOINTS, first)
    for config in (first, Config([*first, *parse(edit, "edit.yaml")])):
        made = builder.build(Ground.of(config, registry, {}), config, routes)
        assert made == snapshot.build(CLIENT, config, registry, {})
