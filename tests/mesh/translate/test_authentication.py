"""RequestAuthentication: a token that is there must be good."""

from __future__ import annotations

import base64
import json
import time

import pytest

from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import policy
from tests.mesh.translate.tokens import ISSUER, Signer


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def _rules(signer: Signer, more: str = "") -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens, namespace: default }}
spec:
  selector: {{ matchLabels: {{ app: reviews }} }}
  jwtRules: [{{ issuer: "{ISSUER}", audiences: [delinkcious], jwks: '{signer.jwks}', {more} }}]
---
"""


def test_what_becomes_of_tokens(lab: Lab, signer: Signer) -> None:
    lab.apply(_rules(signer))
    good = {"aud": "delinkcious"}

    def ask(headers: dict[str, str]) -> tuple[int, str]:
        answer = lab.get("client", "http://reviews/", headers=headers)
        return answer.status, "" if answer.status == 200 else answer.body

    assert ask({}) == (200, "")
    assert ask(signer.bearer(**good)) == (200, "")
    assert ask(signer.bearer(**good, exp=1)) == (401, "Jwt is expired")
    assert ask(Signer().bearer(**good)) == (401, "Jwt verification fails")
    assert ask(signer.bearer(**good, iss="https://other")) == (401, "Jwt issuer is not configured")
    assert ask(signer.bearer(aud="other")) == (403, "Audiences in Jwt are not allowed")
    assert ask({"authorization": "Bearer nonsense"})[0] == 401


@pytest.mark.slow
def test_a_token_that_was_good_is_not_so_for_ever(lab: Lab, signer: Signer) -> None:
    def status(headers: dict[str, str]) -> int:
        return lab.get("client", "http://reviews/", headers=headers).status

    lab.apply(_rules(signer))
    # Envoy forgives clocks that differ by a minute.
    leaving = signer.bearer(aud="delinkcious", exp=int(time.time()) - 60 + 10)
    assert [status(leaving), status(leaving)] == [200, 200]
    deadline = time.monotonic() + 60
    while status(leaving) == 200:
        assert time.monotonic() < deadline, "the end of a known token goes unnoticed"
    assert status(leaving) == 401
    staying = signer.bearer(aud="delinkcious")
    assert [status(staying), status(staying)] == [200, 200]
    lab.apply(_rules(Signer()))
    assert status(staying) == 401


def test_a_token_is_forwarded_only_when_asked(lab: Lab, signer: Signer) -> None:
    outputs = "outputPayloadToHeader: x-payload, outputClaimToHeaders: [{ header: x-sub, claim: sub }]"
    lab.apply(_rules(signer, outputs))
    headers = {**signer.bearer(aud="delinkcious"), "x-sub": "forged"}
    seen = lab.get("client", "http://reviews/", headers=headers).echo["headers"]
    assert "authorization" not in seen
    assert seen["x-sub"] == "7"
    assert json.loads(base64.urlsafe_b64decode(seen["x-payload"] + "=="))["iss"] == ISSUER
    lab.apply(_rules(signer, "forwardOriginalToken: true"))
    assert "authorization" in lab.get("client", "http://reviews/", headers=headers).echo["headers"]


def test_keys_that_could_not_be_fetched_let_nobody_in(lab: Lab, signer: Signer) -> None:
    uri = "http://issuer.example/keys"
    rules = _rules(signer).replace(f"jwks: '{signer.jwks}'", f"jwksUri: {uri}")
    for text in (None, "<html>", '{"keys": []}'):
        lab.jwks = {} if text is None else {uri: text}
        lab.apply(rules)
        answer = lab.get("client", "http://reviews/", headers=signer.bearer(aud="delinkcious"))
        assert answer.status == 401
    lab.jwks = {uri: signer.jwks}
    lab.apply(rules)
    assert lab.get("client", "http://reviews/", headers=signer.bearer(aud="delinkcious")).status == 200


def test_policies_read_the_claims(lab: Lab, signer: Signer) -> None:
    rules = """
  - from: [{ source: { requestPrincipals: ["https://issuer.example/7"] } }]
    to: [{ operation: { paths: [/me] } }]
  - when: [{ key: "request.auth.claims[scope]", values: [write] }]
    to: [{ operation: { paths: [/write] } }]
  - when: [{ key: request.auth.audiences, values: [delinkcious] }]
    to: [{ operation: { paths: [/audience] } }]
  - from: [{ source: { requestPrincipals: ["*"] } }]
    to: [{ operation: { paths: [/any] } }]
"""
    lab.apply(_rules(signer) + policy("claims", f"\n  rules: {rules.replace(chr(10), chr(10) + '  ')}"))

    def status(path: str, **claims: object) -> int:
        headers = signer.bearer(aud=["delinkcious", "other"], **claims) if claims else {}
        return lab.get("client", f"http://reviews{path}", headers=headers).status

    assert (status("/me", sub="7"), status("/me", sub="8"), status("/me")) == (200, 403, 403)
    assert (status("/write", scope="read write"), status("/write", scope="read")) == (200, 403)
    assert (status("/audience", sub="7"), status("/audience")) == (200, 403)
    assert (status("/any", sub="9"), status("/any")) == (200, 403)
