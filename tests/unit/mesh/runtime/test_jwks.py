"""Where the keys of a `jwksUri` are looked for, and which are taken."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from mesh.local import resources
from mesh.local.model import Config, Endpoint, Registry, Resolution, Service, ServicePort
from mesh.local.runtime.jwks import TIMEOUT_S, KeySets, Unfetched, checked, located, timeouts_s
from mesh.local.runtime.kept_keys import KeptKeys


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


def test_an_entry_that_lists_endpoints_leads_there_and_one_that_dns_resolves_outside() -> None:
    port = ServicePort("https", 443, 8443, "tcp")
    there = Endpoint("api-0", "shop", "203.0.113.1", {}, "", {}, sidecar=False, ready=True)
    places: dict[Resolution, tuple[str, int] | None] = {
        "STATIC": ("203.0.113.1", 8443),
        "DNS": None,
        "NONE": None,
    }
    for resolution, place in places.items():
        entry = Service(
            "issuer.example",
            "shop",
            (port,),
            {},
            host="issuer.example",
            resolution=resolution,
            endpoints=(there,),
        )
        assert located("https://issuer.example/keys", Registry((entry,), ())) == place


def _key(**changes: object) -> dict[str, object]:
    return {**ECKey.generate_key("P-256").as_dict(private=False), **changes}


def test_good_keys_and_keys_of_an_unknown_type_are_taken() -> None:
    text = json.dumps({"keys": [_key(), {"kty": "of tomorrow"}]})
    assert checked(text.encode()) == text


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(_key(x="!!"), id="no base64"),
        pytest.param(_key(x=5), id="no text"),
        pytest.param(_key(crv="nowhere"), id="unknown curve"),
        pytest.param(_key(y=_key()["x"]), id="not on the curve"),
        pytest.param({"kty": "EC"}, id="nothing else"),
        pytest.param({"kid": "a"}, id="no type"),
    ],
)
def test_a_set_with_a_key_that_envoy_refuses_is_not_taken(key: dict[str, object]) -> None:
    with pytest.raises(Unfetched, match=r"keys\[1\]"):
        checked(json.dumps({"keys": [_key(), key]}).encode())


def test_keys_are_waited_for_as_long_as_the_most_patient_rule_says() -> None:
    text = """
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens }
spec:
  jwtRules:
    - { issuer: a, jwksUri: "https://a.example/keys", timeout: 200ms }
    - { issuer: b, jwksUri: "https://a.example/keys", timeout: 1500ms }
    - { issuer: c, jwksUri: "https://c.example/keys" }
    - { issuer: d, jwks: '{"keys":[]}' }
"""
    assert timeouts_s(Config(resources.parse(text, "tokens.yaml"))) == {
        "https://a.example/keys": 1.5,
        "https://c.example/keys": TIMEOUT_S,
    }


@pytest.mark.anyio
async def test_nobody_is_asked_inside_of_a_pod(tmp_path: Path) -> None:
    uri = "http://127.20.128.5:8081/keys"
    text = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens }}
spec: {{ jwtRules: [{{ issuer: a, jwksUri: "{uri}" }}] }}
"""
    said: asyncio.Queue[str] = asyncio.Queue()
    keys = KeySets(lambda: Registry((), ()), lambda: None, said.put_nowait, KeptKeys(tmp_path / "kept"))
    keys.want(Config(resources.parse(text, "a.yaml")))
    try:
        assert "leads into a pod, past its sidecar" in await asyncio.wait_for(said.get(), 30)
    finally:
        await keys.stop()
