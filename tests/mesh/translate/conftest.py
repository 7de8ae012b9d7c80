"""A lab for each module of this folder; each test applies the configuration it speaks of.

A module may name its pods in `PODS`: a proxy takes five inotify instances, of which a user has 128. `SERVED`
are its services, `RUNTIME` are values of its proxies' runtime.
"""

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
SERVICES = [
    service("reviews", http="80:8080", tcp="9000:9000"),
    service("empty", http="80:8080"),
    service("naked", http="80:8080"),
    INGRESS,
]
REVIEWS = [
    Pod("reviews-v1", {"app": "reviews", "version": "v1"}, ports=(8080, 9000)),
    Pod("reviews-v2", {"app": "reviews", "version": "v2"}, ports=(8080, 9000)),
]
CLIENT = Pod("client", {"app": "client"}, ports=())
STRANGER = Pod("stranger", {"app": "stranger"}, ports=(), namespace="other")
NAKED = Pod("naked", {"app": "naked"}, sidecar=False)
INGRESS_POD = Pod(
    "gateway",
    {"app": "ingressgateway", "istio": "ingressgateway"},
    ports=(8080, 8443),
    namespace="istio-system",
    gateway=True,
)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("lab")


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Lab]:
    pods = getattr(request.module, "PODS", [CLIENT, *REVIEWS])
    services = getattr(request.module, "SERVED", SERVICES)
    runtime = getattr(request.module, "RUNTIME", {})
    lab = Lab(tmp_path_factory.mktemp("lab"), authority, services, pods, runtime)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture
def lab(running: Lab) -> Lab:
    """The lab as the last test left it: a test begins by applying what it needs, if only nothing."""
    running.requests.clear()
    running.jwks.clear()
    return running
