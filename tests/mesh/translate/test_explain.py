"""What `explain` says is what Envoy does."""

from __future__ import annotations

import pytest

from mesh.local.explain import Explanation, explain
from tests.mesh.translate.conftest import CLIENT, NAKED, REVIEWS, STRANGER
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import REGISTRY_ONLY, STRICT, SUBSETS, V1, V2, policy, virtual_service
from tests.mesh.translate.tokens import ISSUER, Signer

PODS = [CLIENT, STRANGER, NAKED, *REVIEWS]
ROUTES = f"""
    - name: exact
      match: [{{ uri: {{ exact: /a }}, headers: {{ x-a: {{ regex: "b.*" }} }} }}]
      {V2}
    - name: query
      match: [{{ queryParams: {{ q: {{ exact: "1" }} }}, withoutHeaders: {{ x-no: {{}} }} }}]
      {V2}
    - name: rewritten
      match: [{{ uri: {{ prefix: /old/ }} }}]
      rewrite: {{ uri: /new/, authority: other.example }}
      timeout: 5s
      retries: {{ attempts: 3, retryOn: 5xx, perTryTimeout: 1s }}
      {V1}
    - name: regex
      match: [{{ uri: {{ regex: "/u/[0-9]+" }} }}]
      rewrite: {{ uriRegexRewrite: {{ match: "/u/([0-9]+)", rewrite: '/users/\\1' }} }}
      {V1}
    - name: moved
      match: [{{ uri: {{ prefix: /moved }} }}]
      redirect: {{ uri: /there, scheme: https, redirectCode: 302 }}
    - name: tea
      match: [{{ uri: {{ prefix: /tea }} }}]
      directResponse: {{ status: 418 }}
    - name: gone
      match: [{{ uri: {{ prefix: /gone }} }}]
      route: [{{ destination: {{ host: reviews, subset: v9 }} }}]
    - name: rest
      match: [{{ method: {{ exact: GET }} }}]
      {V1}
"""
REQUESTS = [
    ("GET", "http://reviews/a?x=1", {"x-a": "bcd"}),
    ("GET", "http://reviews/a", {"x-a": "abc"}),
    ("GET", "http://reviews/x?q=1", {}),
    ("GET", "http://reviews/x?q=1", {"x-no": "1"}),
    ("GET", "http://reviews/x?q=2&q=1", {}),
    ("GET", "http://reviews/old/x?y=1", {}),
    ("GET", "http://reviews/u/7?y=1", {}),
    ("GET", "http://reviews/moved?y=1", {}),
    ("GET", "http://reviews/tea", {}),
    ("GET", "http://reviews/gone", {}),
    ("GET", "http://reviews/b/../a", {"x-a": "b"}),
    ("POST", "http://reviews/rest", {}),
    ("GET", "http://REVIEWS.default.svc:80/rest", {}),
    ("GET", "http://empty/", {}),
    ("GET", "http://naked/", {}),
    ("GET", "http://nowhere.example/", {}),
]


def _explained(
    lab: Lab, method: str, url: str, headers: dict[str, str], client: str = "client"
) -> Explanation:
    proxy = lab.proxy(client)
    return explain(proxy, lab.config, lab.registry, lab.jwks, method=method, url=url, headers=headers)


def _agrees(lab: Lab, said: Explanation, method: str, url: str, headers: dict[str, str], client: str) -> None:
    seen = lab.get(client, url, method=method, headers=headers)
    verdicts = [target.verdict for target in said.targets if target.verdict]
    refused = {verdict.status for verdict in verdicts if not verdict.allowed}
    expected = said.status or (refused.pop() if refused else 200)
    assert (seen.status, url) == (expected, url), said
    if said.location is not None:
        assert seen.headers["location"] == said.location
    if seen.pod:
        (target,) = said.targets
        assert seen.pod in target.pods
        assert (seen.echo["path"], seen.echo["headers"]["host"]) == (said.path, said.authority)
        assert ("x-forwarded-client-cert" in seen.echo["headers"]) == target.mtls


def test_routes_are_explained_as_envoy_takes_them(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY + SUBSETS + virtual_service(ROUTES))
    for method, url, headers in REQUESTS:
        _agrees(lab, _explained(lab, method, url, headers), method, url, headers, "client")


def test_the_rule_is_named_with_its_place(lab: Lab) -> None:
    lab.apply(SUBSETS + virtual_service(ROUTES))
    said = _explained(lab, "GET", "http://reviews/old/x", {})
    assert said.route == "rewritten"
    assert said.rule is not None
    assert (said.rule.resource, said.rule.field) == ("VirtualService default/rules", "spec.http[2].match[0]")
    line = (SUBSETS + virtual_service(ROUTES)).splitlines()[said.rule.line - 1]
    assert "prefix: /old/" in line
    assert said.timeout == "5s"
    assert said.retries is not None
    assert (said.retries.attempts, said.retries.per_try_timeout) == (3, "1s")
    assert said.targets[0].rule is not None
    assert said.targets[0].rule.resource == "DestinationRule default/reviews"


@pytest.mark.parametrize("tls", ["", "DISABLE", "ISTIO_MUTUAL"])
@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE", "DISABLE"])
def test_mutual_tls_is_explained_as_envoy_does_it(lab: Lab, mode: str, tls: str) -> None:
    rule = (
        SUBSETS.replace("subsets:", f"trafficPolicy: {{ tls: {{ mode: {tls} }} }}\n  subsets:") if tls else ""
    )
    lab.apply(STRICT.replace("STRICT", mode) + rule)
    for host in ("reviews", "naked"):
        url = f"http://{host}/"
        _agrees(lab, _explained(lab, "GET", url, {}), "GET", url, {}, "client")


def test_policies_are_explained_as_envoy_judges(lab: Lab) -> None:
    signer = Signer()
    rules = """
    - from: [{ source: { principals: [cluster.local/ns/default/sa/client], notNamespaces: [other] } }]
      to: [{ operation: { methods: [GET], paths: [/a, "/b/*", "/v/{*}/x"], notPaths: [/b/no] } }]
    - to: [{ operation: { hosts: ["*.default"], ports: ["8080"], paths: [/any] } }]
    - to: [{ operation: { paths: [/token] } }]
      when: [{ key: "request.auth.claims[scope]", values: [write] }]
"""
    authentication = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens, namespace: default }}
spec:
  jwtRules: [{{ issuer: "{ISSUER}", audiences: [delinkcious], jwks: '{signer.jwks}' }}]
---
"""
    deny = policy("deny", "{ action: DENY, rules: [{ to: [{ operation: { paths: ['*/secret'] } }] }] }")
    lab.apply(authentication + deny + policy("allow", f"\n  rules: {rules}"))
    good = {"aud": "delinkcious", "scope": "read write"}
    paths = ["/a", "/a?x", "/b/x", "/b/no", "/b/secret", "/v/1/x", "/v/1/2/x", "/any", "/token", "/other"]
    tokens: list[dict[str, str]] = [
        {},
        signer.bearer(**good),
        signer.bearer(**{**good, "scope": "read"}),
        signer.bearer(aud="other"),
        signer.bearer(**good, iss="https://other"),
    ]
    for client in ("client", "stranger"):
        for path in paths:
            for token in tokens if path == "/token" else tokens[:1]:
                url = f"http://reviews.default{path}"
                said = _explained(lab, "GET", url, token, client)
                _agrees(lab, said, "GET", url, token, client)
    said = _explained(lab, "GET", "http://reviews.default/b/secret", {})
    assert said.targets[0].verdict is not None
    (by,) = said.targets[0].verdict.by
    assert (by.resource, by.field) == ("AuthorizationPolicy default/deny", "spec.rules[0]")
