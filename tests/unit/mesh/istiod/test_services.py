"""What runs, told as ServiceEntries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.local import resources
from mesh.local.istiod.filters import UNIQUE
from mesh.local.istiod.services import protocol, service_entries
from mesh.local.model import Config, ContainerPort, Endpoint, Proxy

ADDRESS = "127.100.0.5"
SERVICE = """
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop, annotations: { networking.istio.io/exportTo: "., books" } }
spec:
  selector: { app: reviews }
  ports:
    - { name: http, port: 80, targetPort: web }
    - { port: 9000, targetPort: 9000 }
"""
READY = Endpoint("reviews-0", "shop", ADDRESS, {"app": "reviews"}, "books", {"web": 8080}, True, True)


def _proxy(endpoint: Endpoint) -> Proxy:
    return Proxy(
        kind="sidecar",
        name=endpoint.pod,
        namespace=endpoint.namespace,
        labels=endpoint.labels,
        service_account=endpoint.service_account,
        workload="reviews",
        ip=endpoint.address,
        app_ip="127.100.128.5",
        ports=(ContainerPort("web", 8080), ContainerPort("9000", 9000), ContainerPort("admin", 9090)),
        egress=(endpoint.address, 15001),
        admin=(endpoint.address, 15000),
        folder=Path("/nowhere"),
    )


def _entries(endpoint: Endpoint, text: str = SERVICE) -> dict[str, Any]:
    config = Config(resources.parse(text, "service.yaml"))
    found = service_entries(config, [endpoint], [_proxy(endpoint)], {"shop/reviews": "10.97.0.1"})
    return {entry["metadata"]["name"]: entry["spec"] for entry in found}


def test_a_ready_pod_is_an_endpoint_of_its_service_with_everything_that_policy_asks_of_it() -> None:
    spec = _entries(READY)["service.reviews"]
    assert spec["hosts"] == ["reviews.shop.svc.cluster.local"]
    assert (spec["addresses"], spec["exportTo"]) == (["10.97.0.1"], [".", "books"])
    assert [(port["number"], port["protocol"]) for port in spec["ports"]] == [(80, "HTTP"), (9000, "")]
    [endpoint] = spec["endpoints"]
    assert endpoint["ports"] == {"http": 8080, "port-9000": 9000}
    assert endpoint["labels"] == {"app": "reviews", UNIQUE: ADDRESS}
    assert endpoint["serviceAccount"] == "books"  # which makes it one for mutual TLS


def test_a_pod_without_a_sidecar_is_none_for_mutual_tls() -> None:
    [endpoint] = _entries(replace(READY, sidecar=False))["service.reviews"]["endpoints"]
    assert "serviceAccount" not in endpoint


def test_ports_that_no_ready_service_has_are_known_to_the_pods_own_proxy_alone() -> None:
    own = _entries(READY)[f"own-ports.{ADDRESS}"]
    assert [(port["number"], port["protocol"]) for port in own["ports"]] == [(9090, "TCP")]
    assert own["exportTo"] == ["~"]


def test_a_pod_that_is_not_ready_is_no_endpoint_but_its_proxy_knows_what_its_ports_speak() -> None:
    entries = _entries(replace(READY, ready=False))
    assert entries["service.reviews"]["endpoints"] == []
    own = entries[f"own-ports.{ADDRESS}"]["ports"]
    assert [(port["number"], port["protocol"]) for port in own] == [(8080, "HTTP"), (9000, ""), (9090, "TCP")]


def test_a_service_may_publish_pods_that_are_not_ready() -> None:
    text = SERVICE.replace("spec:", "spec:\n  publishNotReadyAddresses: true")
    assert len(_entries(replace(READY, ready=False), text)["service.reviews"]["endpoints"]) == 1


@pytest.mark.parametrize(
    ("port", "spoken"),
    [
        ({"name": "http"}, "HTTP"),
        ({"name": "http2-admin"}, "HTTP2"),
        ({"name": "grpc-web"}, "GRPC-WEB"),
        ({"name": "grpc-news"}, "GRPC"),
        ({"name": "tls"}, "TLS"),
        ({"name": "database"}, ""),
        ({}, ""),
        ({"name": "tcp", "appProtocol": "http"}, "HTTP"),
        ({"name": "http", "appProtocol": "kubernetes.io/h2c"}, "HTTP2"),
        ({"name": "http", "appProtocol": "example.com/own"}, ""),
    ],
)
def test_a_port_speaks_what_istio_takes_it_to_speak(port: dict[str, str], spoken: str) -> None:
    assert protocol(port) == spoken


def test_another_name_of_a_service_leads_to_its_pods_on_its_ports() -> None:
    alias = """
---
apiVersion: v1
kind: Service
metadata: { name: old, namespace: shop }
spec: { type: ExternalName, externalName: reviews.shop.svc.cluster.local }
---
apiVersion: v1
kind: Service
metadata: { name: bank, namespace: shop }
spec: { type: ExternalName, externalName: bank.example, ports: [{ name: http, port: 80 }] }
"""
    config = Config(resources.parse(SERVICE + alias, "service.yaml"))
    addresses = {
        f"shop/{name}": f"10.97.0.{number}" for number, name in enumerate(("reviews", "old", "bank"))
    }
    found = {
        entry["metadata"]["name"]: entry["spec"] for entry in service_entries(config, [READY], [], addresses)
    }
    old, reviews, bank = (found[f"service.{name}"] for name in ("old", "reviews", "bank"))
    assert old["hosts"] == ["old.shop.svc.cluster.local"]
    assert (old["ports"], old["endpoints"]) == (reviews["ports"], reviews["endpoints"])
    assert (bank["resolution"], bank["endpoints"]) == ("DNS", [{"address": "bank.example"}])
