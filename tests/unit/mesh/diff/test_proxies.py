"""What an edit of routes does to a proxy, in words: each thing once."""

from __future__ import annotations

from mesh.local import resources, snapshot
from mesh.local.diff.proxies import Side, proxy_change
from mesh.local.envoy.view import View
from mesh.local.model import Config
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews]
  http: [HTTP]
"""
TO_RATINGS = "route: [{ destination: { host: ratings, port: PORT } }] }"
FOR_ADA = f"{{ match: [{{ headers: {{ who: {{ exact: ada }} }} }}], {TO_RATINGS}"
FOR_ALL = "{ route: [{ destination: { host: reviews } }] }"


def words(before: str, after: str) -> list[str]:
    def side(http: str) -> Side:
        text = SERVICE.replace("HTTP", http).replace("PORT", "{ number: 50051 }")
        config = Config(resources.parse(text, "reviews.yaml"))
        view = View(PROXIES["client"], config, REGISTRY, {})
        return Side(view, snapshot.build(view.proxy, config, REGISTRY, {}))

    found = proxy_change(side(before), side(after))
    assert found is not None
    return [sentence for sentence in found.words if ":9080" not in sentence]  # its other port


def test_a_route_that_goes_is_told_once() -> None:
    gone, changed = words(f"{FOR_ADA}, {FOR_ALL}", f"{{ {TO_RATINGS}")
    assert gone.startswith("no route reviews.default.svc.cluster.local:80 /* [who] any more")
    assert changed.startswith("route reviews.default.svc.cluster.local:80 /*: to ")


def test_a_path_is_told_by_the_routes_name() -> None:
    first, second = words(
        FOR_ALL.replace("{ route", "{ match: [{ uri: { prefix: /a } }], route"),
        FOR_ALL.replace("{ route", "{ match: [{ uri: { prefix: /b } }], route"),
    )
    assert "/a* any more" in first and "/b*" in second


def test_a_value_that_no_name_tells_is_told_as_a_field() -> None:
    [sentence] = words(f"{FOR_ADA}, {FOR_ALL}", f"{FOR_ADA.replace('ada', 'bob')}, {FOR_ALL}")
    assert sentence.endswith("match.headers.who.string_match.exact: ada -> bob")
