"""Keys of issuers inside the mesh, which istiod has no name for."""

from __future__ import annotations

from mesh.local import resources
from mesh.local.istiod.tokens import with_keys
from mesh.local.model import Config, Registry, Service, ServicePort

INSIDE, OUTSIDE = "http://users.shop:8081/keys", "https://issuer.example/keys"
TEXT = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens, namespace: shop }}
spec:
  jwtRules:
    - {{ issuer: inside, jwksUri: "{INSIDE}", forwardOriginalToken: true }}
    - {{ issuer: outside, jwksUri: "{OUTSIDE}" }}
    - {{ issuer: written, jwks: "{{}}", jwksUri: "{INSIDE}" }}
"""
CONFIG = Config(resources.parse(TEXT, "a.yaml"))


def _registry() -> Registry:
    port = ServicePort("keys", 8081, "keys", "http")
    return Registry((Service("users", "shop", (port,), {"app": "users"}),), ())


def test_keys_of_a_service_of_the_mesh_are_told_by_value() -> None:
    keys = {INSIDE: '{"keys": []}', OUTSIDE: '{"keys": [1]}'}
    [resource] = with_keys(CONFIG, _registry(), keys)
    assert resource.spec["jwtRules"] == [
        {"issuer": "inside", "jwks": '{"keys": []}', "forwardOriginalToken": True},
        {"issuer": "outside", "jwksUri": OUTSIDE},
        {"issuer": "written", "jwks": "{}", "jwksUri": INSIDE},
    ]


def test_until_the_keys_are_there_it_stays_as_it_is_written() -> None:
    assert [one.body for one in with_keys(CONFIG, _registry(), {})] == [one.body for one in CONFIG]
