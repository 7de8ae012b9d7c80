"""`explain` on what a gateway judges: tokens that pass it, and requests before they are routed."""

from __future__ import annotations

import pytest

from mesh.local import resources
from mesh.local.explain import explain
from mesh.local.model import Config
from tests.unit.mesh.translate.world import PROXIES, known

ROUTES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: default }
spec:
  hosts: ["*"]
  gateways: [istio-system/edge]
  http: [{ route: [{ destination: { host: reviews } }] }]
---
"""
KEYS = """'{"keys": [{"kty": "EC"}]}'"""
AT_THE_GATEWAY = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: edge, namespace: istio-system }}
spec:
  selector: {{ matchLabels: {{ istio: ingressgateway }} }}
  jwtRules: [{{ issuer: https://issuer.example, jwks: {KEYS}, forwardOriginalToken: FORWARDED }}]
---
"""
AT_REVIEWS = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens, namespace: default }}
spec:
  jwtRules: [{{ issuer: https://issuer.example, jwks: {KEYS} }}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{ name: need, namespace: default }}
spec:
  rules: [{{ from: [{{ source: {{ requestPrincipals: ["https://issuer.example/*"] }} }}] }}]
---
"""


@pytest.mark.parametrize(
    ("at_the_gateway", "issuer", "status"),
    [
        ("", "https://issuer.example", None),
        ("", "https://other.example", 401),
        (AT_THE_GATEWAY.replace("FORWARDED", "false"), "https://issuer.example", 403),
        (AT_THE_GATEWAY.replace("FORWARDED", "true"), "https://issuer.example", None),
    ],
    ids=["unread", "unread of another issuer", "kept back", "passed on"],
)
def test_a_destination_gets_the_token_that_a_gateway_has_not_kept_back(
    at_the_gateway: str, issuer: str, status: int | None
) -> None:
    config = Config(resources.parse(ROUTES + AT_REVIEWS + at_the_gateway, "tokens.yaml"))
    said = explain(
        PROXIES["gateway"],
        config,
        known(config),
        {},
        method="GET",
        url="http://shop.example.com/",
        headers={},
        claims={"iss": issuer, "sub": "7"},
    )
    assert said.status == status, said.reason
    assert said.outcome == ("denied" if status else "forwarded")


DENIED = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: none, namespace: istio-system }
spec: { action: DENY, rules: [{}] }
---
"""


@pytest.mark.parametrize("redirects", [False, True])
@pytest.mark.parametrize("host", ["shop.example.com", "other.example.org"])
def test_a_gateway_refuses_before_it_looks_for_a_route(host: str, redirects: bool) -> None:
    text = ROUTES.replace('hosts: ["*"]', 'hosts: ["*.example.com"]')
    if redirects:
        text = text.replace(
            'hosts: ["*.example.com"] }', 'hosts: ["*.example.com"], tls: { httpsRedirect: true } }'
        )
    statuses = {}
    for denied in ("", DENIED):
        config = Config(resources.parse(text + denied, "gateway.yaml"))
        said = explain(
            PROXIES["gateway"], config, known(config), {}, method="GET", url=f"http://{host}/", headers={}
        )
        statuses[denied] = said.status
    assert statuses[DENIED] == 403
    assert statuses[""] == (404 if host == "other.example.org" else 301 if redirects else None)
