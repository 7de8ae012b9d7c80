"""`explain` on connections, and on requests that somebody else decides about."""

from __future__ import annotations

from mesh.local import resources
from mesh.local.envoy.view import View
from mesh.local.explain import Explanation, explain
from mesh.local.explain.origins import origins
from mesh.local.model import Config
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

RULES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rules, namespace: default }
spec:
  hosts: [echo, vault, "*.example.com"]
  gateways: [mesh, edge]
  tcp:
    - match: [{ sourceLabels: { app: other } }]
      route: [{ destination: { host: ratings } }]
    - route:
        - { destination: { host: echo }, weight: 3 }
        - { destination: { host: reviews, subset: v9, port: { number: 80 } }, weight: 1 }
  tls:
    - match: [{ sniHosts: ["*.example.com"] }]
      route: [{ destination: { host: vault } }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 31400, name: tcp, protocol: TCP }, hosts: ["*"] }
    - { port: { number: 443, name: passed, protocol: TLS }, hosts: ["*.example.com"], tls: {} }
---
"""
ASK = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ask, namespace: default }
spec:
  selector: { matchLabels: { app: reviews } }
  action: CUSTOM
  provider: { name: %s }
  rules: [{ to: [{ operation: { paths: [/guarded] } }] }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    extensionProviders:
      - { name: known, envoyExtAuthzHttp: { service: far.other.svc.cluster.local, port: 80 } }
"""


def _explained(url: str, text: str = RULES, proxy: str = "client", **headers: str) -> Explanation:
    config = Config(resources.parse(text, "x.yaml"))
    return explain(PROXIES[proxy], config, REGISTRY, {}, method="GET", url=url, headers=headers)


def _clusters(found: Explanation) -> dict[str, float]:
    return {target.cluster: target.percent for target in found.targets}


def test_an_https_url_of_a_sidecars_pod_is_a_connection_to_port_443() -> None:
    said = [_explained(url) for url in ("https://a.example.com/x?y=1", "tls://a.example.com:443")]
    assert said[0] == said[1]
    here = _explained("https://reviews/x")
    assert (here.outcome, here.authority) == ("passed on", "reviews:443")  # no Service has that port
    http = _explained("https://reviews:80/x")
    assert (http.outcome, "speaks HTTP" in http.reason) == ("failed", True)


LET_IN = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: in, namespace: default }
spec:
  selector: { matchLabels: { app: reviews } }
  rules:
    - to: [{ operation: { paths: [/open] } }]
    - from: [{ source: { namespaces: [elsewhere] } }]
    - from: [{ source: { namespaces: [elsewhere] } }]
      to: [{ operation: { methods: [PUT] } }]
"""


def test_of_rules_that_let_nobody_in_it_is_told_which_half_does_not_fit() -> None:
    [target] = _explained("http://reviews/x", LET_IN).targets
    assert target.verdict is not None
    assert [missed.removeprefix("AuthorizationPolicy default/in ") for missed in target.verdict.missed] == [
        "spec.rules[0]: lets the caller in, but not to this: its `to` does not fit",
        "spec.rules[1]: covers this, but not for this request: its `from` or `when` does not fit",
        "spec.rules[2]: neither its `to` nor its `from` and `when` fit",
    ]
    [allowed] = _explained("http://reviews/open", LET_IN).targets
    assert allowed.verdict is not None
    assert (allowed.verdict.allowed, allowed.verdict.missed) == (True, ())


def test_a_connection_takes_its_clients_tcp_rule() -> None:
    found = _explained("tcp://echo:9000")
    assert found.outcome == "forwarded"
    assert found.rule is not None
    assert (found.rule.resource, found.rule.field) == ("VirtualService default/rules", "spec.tcp[1]")
    assert _clusters(found) == {
        "outbound|9000||echo.default.svc.cluster.local": 75,
        "outbound|80|v9|reviews.default.svc.cluster.local": 25,
    }


def test_a_tls_connection_takes_the_rule_of_the_name_it_asks_for() -> None:
    found = _explained("tls://vault:443", sni="a.example.com")
    assert (found.outcome, found.rule and found.rule.field) == ("failed", "spec.tls[0]")  # vault has no pods
    assert list(_clusters(found)) == ["outbound|443||vault.default.svc.cluster.local"]
    assert "server name" in _explained("tls://vault:443").reason


def test_a_connection_to_an_http_port_is_told_what_it_carries() -> None:
    assert "speaks HTTP" in _explained("tcp://reviews:80").reason


def test_connections_from_the_world_take_the_rules_bound_to_their_server() -> None:
    found = _explained("tcp://edge:31400", proxy="gateway")
    assert (found.virtual_host, found.rule and found.rule.field) == ("default/edge", "spec.tcp[0]")
    passed = _explained("tls://a.example.com", proxy="gateway")
    assert (passed.virtual_host, passed.rule and passed.rule.field) == ("default/edge", "spec.tls[0]")
    assert "no rule is bound" in _explained("tcp://edge:1", proxy="gateway").reason
    assert "server name" in _explained("tls://b.test", proxy="gateway").reason


def test_what_somebody_else_decides_about_is_said() -> None:
    known = _explained("http://reviews/guarded", ASK % "known").targets[0].verdict
    assert known is not None
    assert known.allowed
    assert known.reason.endswith("if known allows it too")
    unknown = _explained("http://reviews/guarded", ASK % "nobody")
    assert (unknown.outcome, unknown.status) == ("denied", 403)
    assert "nobody can be asked" in unknown.reason
    other = _explained("http://reviews/other", ASK % "nobody").targets[0].verdict
    assert other is not None
    assert other.allowed


def test_what_a_proxy_has_of_its_routes_names_the_rules_of_connections() -> None:
    config = Config(resources.parse(RULES, "x.yaml"))
    sidecar = origins(View(PROXIES["client"], config, REGISTRY, {}))
    assert any("spec.tcp[1]" in str(part) for part in sidecar.routes)
    gateway = origins(View(PROXIES["gateway"], config, REGISTRY, {}))
    assert any("TLS PASSTHROUGH" in part.about for part in gateway.listeners)
