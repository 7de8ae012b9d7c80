"""Where the keys of a `jwksUri` are looked for."""

from __future__ import annotations

import pytest

from mesh.local.model import Endpoint, Registry, Service, ServicePort
from mesh.local.runtime.jwks import located


def _registry(*, ready: bool) -> Registry:
    port = ServicePort("http-jwks", 8081, "http-jwks", "http")
    service = Service("users", "shop", (port,), {"app": "users"})
    pod = Endpoint("users-0", "shop", "127.1.0.2", {"app": "users"}, "users", {"http-jwks": 9}, True, ready)
    return Registry((service,), (pod,))


@pytest.mark.parametrize("host", ["users.shop", "users.shop.svc", "users.shop.svc.cluster.local"])
def test_a_name_of_the_mesh_leads_to_a_ready_pod(host: str) -> None:
    assert located(f"http://{host}:8081/keys", _registry(ready=True)) == ("127.1.0.2", 9)


def test_without_a_ready_pod_there_is_no_place() -> None:
    assert located("http://users.shop:8081/keys", _registry(ready=False)) == ("", 0)


@pytest.mark.parametrize("uri", ["https://issuer.example/keys", "http://users:8081/keys"])
def test_other_names_are_outside(uri: str) -> None:
    assert located(uri, _registry(ready=True)) is None
