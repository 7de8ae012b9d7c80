"""RequestAuthentication: where tokens stand, several issuers, and what claims become."""

from __future__ import annotations

import pytest

from tests.mesh.translate.conftest import CLIENT, INGRESS_POD, REVIEWS
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import EVERY_HOST, SUBSETS, V1, V2, policy, virtual_service
from tests.mesh.translate.tokens import ISSUER, Signer

pytestmark = pytest.mark.slow
PODS = [CLIENT, INGRESS_POD, *REVIEWS]
OTHER = "https://other.example"


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def _tokens(*rules: str, app: str = "reviews", namespace: str = "default") -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens, namespace: {namespace} }}
spec:
  selector: {{ matchLabels: {{ app: {app} }} }}
  jwtRules: [{", ".join(rules)}]
---
"""


def _rule(signer: Signer, more: str = "", issuer: str = ISSUER) -> str:
    return f"{{ issuer: '{issuer}', jwks: '{signer.jwks}' {more} }}"


def _token(signer: Signer, **claims: object) -> str:
    return signer.bearer(**claims)["authorization"].removeprefix("Bearer ")


ANYBODY_KNOWN = policy("known", "{ rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] }")


def test_named_places_replace_the_usual_ones(lab: Lab, signer: Signer) -> None:
    places = ", fromHeaders: [{ name: x-a }, { name: x-b, prefix: 'Token ' }], fromParams: [t, u], "
    lab.apply(_tokens(_rule(signer, places + "fromCookies: [session, other]")) + ANYBODY_KNOWN)
    token = _token(signer)

    def status(path: str = "/", **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return lab.get("client", f"http://reviews{path}", headers=sent).status

    assert status(x_a=token) == 200
    assert status(x_b=f"Token {token}") == 200
    assert status(f"/?t={token}") == 200
    assert status(f"/?u={token}&x=1") == 200
    assert status(cookie=f"a=b; session={token}") == 200
    assert status(cookie=f"other={token}") == 200
    assert status(authorization=f"Bearer {token}") == 403
    assert status(f"/?access_token={token}") == 403
    assert status(x_b=token) == 403
    assert status(x_a="nonsense") == 401


def test_the_usual_places_are_the_header_and_a_parameter(lab: Lab, signer: Signer) -> None:
    lab.apply(_tokens(_rule(signer)) + ANYBODY_KNOWN)
    assert lab.get("client", "http://reviews/", headers=signer.bearer()).status == 200
    assert lab.get("client", f"http://reviews/?access_token={_token(signer)}").status == 200


def test_each_of_several_issuers_is_good(lab: Lab, signer: Signer) -> None:
    second = Signer("two")
    lab.apply(_tokens(_rule(signer), _rule(second, issuer=OTHER)) + ANYBODY_KNOWN)

    def status(headers: dict[str, str]) -> int:
        return lab.get("client", "http://reviews/", headers=headers).status

    assert status(signer.bearer()) == 200
    assert status(second.bearer(iss=OTHER)) == 200
    assert status(signer.bearer(iss=OTHER)) == 401
    assert status(signer.bearer(iss="https://third.example")) == 401
    assert status({}) == 403


def test_a_rule_without_an_issuer_takes_tokens_of_any(lab: Lab, signer: Signer) -> None:
    uri = "http://keys.example/"
    lab.jwks[uri] = signer.jwks
    lab.apply(_tokens(f"{{ jwksUri: '{uri}' }}"))
    assert lab.get("client", "http://reviews/", headers=signer.bearer(iss=OTHER)).status == 200
    assert lab.get("client", "http://reviews/", headers=Signer().bearer(iss=OTHER)).status == 401


def test_nested_claims_become_headers_and_lists_are_split(lab: Lab, signer: Signer) -> None:
    outputs = (
        ", spaceDelimitedClaims: [groups], outputClaimToHeaders: [{ header: x-tier, claim: user.tier }, "
    )
    outputs += (
        "{ header: x-level, claim: level }, { header: x-beta, claim: beta }, { header: x-no, claim: absent }]"
    )
    allow = "{ rules: [{ when: [{ key: 'request.auth.claims[groups]', values: [dev] }] }, "
    allow += "{ when: [{ key: 'request.auth.claims[user][tier]', values: [gold] }] }] }"
    lab.apply(_tokens(_rule(signer, outputs)) + policy("groups", allow))
    claims = {"groups": "ops dev", "user": {"tier": "silver"}, "level": 3, "beta": True}
    headers = {**signer.bearer(**claims), "x-no": "forged"}
    seen = lab.get("client", "http://reviews/", headers=headers).echo["headers"]
    assert (seen["x-tier"], seen["x-level"], seen["x-beta"]) == ("silver", "3", "true")
    assert "x-no" not in seen
    gold = signer.bearer(groups="none", user={"tier": "gold"})
    assert lab.get("client", "http://reviews/", headers=gold).status == 200
    assert lab.get("client", "http://reviews/", headers=signer.bearer(groups="developers")).status == 403


def test_a_gateway_routes_by_claims(lab: Lab, signer: Signer) -> None:
    def port(route: str) -> str:
        return route.replace("subset:", "port: { number: 80 }, subset:")

    by_group = (
        f"{{ match: [{{ headers: {{ '@request.auth.claims.groups': {{ exact: dev }} }} }}], {port(V2)} }}"
    )
    nested = "'@request.auth.claims[a.b][c]': { prefix: x }"
    by_nested = f"{{ match: [{{ headers: {{ {nested} }} }}], {port(V2)} }}"
    unless = "withoutHeaders: { '@request.auth.claims.sub': { exact: nobody } }"
    last = f"{{ match: [{{ {unless} }}], {port(V1)} }}"
    rules = virtual_service(f"[{by_group}, {by_nested}, {last}]", "a.example.test", "gateways: [edge]")
    tokens = _tokens(_rule(signer), app="ingressgateway", namespace="istio-system")
    lab.apply(EVERY_HOST + SUBSETS + tokens + rules)

    def pod(**claims: object) -> str | int:
        headers = signer.bearer(**claims) if claims else {}
        answer = lab.edge("gateway", "a.example.test", "/", headers=headers)
        return answer.pod or answer.status

    assert pod(groups=["ops", "dev"]) == "reviews-v2"
    assert pod(groups="dev") == "reviews-v2"
    assert pod(**{"a.b": {"c": "xyz"}}) == "reviews-v2"
    assert pod(groups=["ops"]) == "reviews-v1"
    assert pod() == "reviews-v1"
    assert pod(sub="nobody") == 404
