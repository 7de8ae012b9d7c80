"""One lab for all tests of this folder; each test applies the configuration it speaks of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesh.local.model import Service, ServicePort
from tests.mesh.translate.authority import Authority
from tests.mesh.translate.lab import Lab, Pod, service

INGRESS = Service(
    "ingress",
    "istio-system",
    (ServicePort("http", 80, 8080, "http"), ServicePort("https", 443, 8443, "tcp")),
    {"istio": "ingressgateway"},
)
PODS = [
    Pod("client", {"app": "client"}, ports=()),
    Pod("stranger", {"app": "stranger"}, ports=(), namespace="other"),
    Pod("reviews-v1", {"app": "reviews", "version": "v1"}, ports=(8080, 9000)),
    Pod("reviews-v2", {"app": "reviews", "version": "v2"}, ports=(8080, 9000)),
    Pod("naked", {"app": "naked"}, sidecar=False),
    Pod(
        "gateway",
        {"app": "ingressgateway", "istio": "ingressgateway"},
        ports=(8080, 8443),
        namespace="istio-system",
        gateway=True,
    ),
]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("lab")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Lab]:
    services = [
        service("reviews", http="80:8080", tcp="9000:9000"),
        service("empty", http="80:8080"),
        service("naked", http="80:8080"),
        INGRESS,
    ]
    lab = Lab(tmp_path_factory.mktemp("lab"), authority, services, PODS)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture
def lab(running: Lab) -> Lab:
    """The lab without any configuration yet."""
    running.requests.clear()
    running.jwks.clear()
    running.apply("")
    return running
