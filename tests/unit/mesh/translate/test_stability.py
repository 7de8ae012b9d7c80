"""Equal inputs give equal bytes, and a small edit touches little."""

from __future__ import annotations

from dataclasses import replace

from mesh.local import files, resources, snapshot
from mesh.local.envoy import outbound
from mesh.local.envoy.view import View
from mesh.local.model import Config, Registry
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

SPLIT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews]
  http:
    - route:
        - { destination: { host: reviews, subset: v1 }, weight: 90 }
        - { destination: { host: reviews, subset: v2 }, weight: 10 }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec:
  host: reviews
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
"""


def _files(text: str, registry: Registry = REGISTRY, proxy: str = "client") -> dict[str, bytes]:
    config = Config(resources.parse(text, "split.yaml"))
    return files.contents(snapshot.build(PROXIES[proxy], config, registry, {}))


def _changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_equal_inputs_give_equal_bytes() -> None:
    shuffled = Registry(REGISTRY.services[::-1], REGISTRY.endpoints[::-1])
    documents = SPLIT.split("---")
    assert _files(SPLIT) == _files("---".join(documents[::-1]), shuffled)


def test_a_weight_changes_the_routes_alone() -> None:
    edited = SPLIT.replace("weight: 90", "weight: 80").replace("weight: 10", "weight: 20")
    assert _changed(_files(SPLIT), _files(edited)) == {"rds/http_proxy.json"}


def test_a_pod_that_comes_or_goes_changes_clusters_alone() -> None:
    ready = tuple(replace(endpoint, ready=True) for endpoint in REGISTRY.endpoints)
    for proxy in ("client", "reviews"):
        before = _files(SPLIT, proxy=proxy)
        assert _changed(before, _files(SPLIT, Registry(REGISTRY.services, ready), proxy)) == {"cds.json"}


def test_a_policy_changes_the_listeners_of_its_workload_alone() -> None:
    policy = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: reviews, namespace: default }
spec: { selector: { matchLabels: { app: reviews } } }
"""
    assert _changed(_files(SPLIT), _files(SPLIT + policy)) == set()
    changed = _changed(_files(SPLIT, proxy="reviews"), _files(SPLIT + policy, proxy="reviews"))
    assert changed == {"lds.json"}


def test_the_version_is_that_of_the_content() -> None:
    name, content = next(iter(_files(SPLIT).items()))
    assert files.version(content) == files.version(_files(SPLIT)[name])
    assert len({files.version(content) for content in _files(SPLIT).values()}) == 3


def test_every_name_makes_a_file_name() -> None:
    names = ["http_proxy", "https.443.x.gw.ns", "a/../b", "x" * 300, "x" * 299 + "y"]
    made = [files.routes(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(name.count("/") == 1 and len(name) < 255 and ".." not in name for name in made[:2] + made[3:])


def test_a_builder_gives_what_a_fresh_translation_gives_whatever_changed_before() -> None:
    weights = SPLIT.replace("weight: 90", "weight: 50")
    pool = SPLIT + "  trafficPolicy: { connectionPool: { tcp: { maxConnections: 7 } } }\n"
    for proxy in PROXIES.values():
        builder = snapshot.Builder(proxy)
        for text in (SPLIT, weights, pool, weights, SPLIT):
            config = Config(resources.parse(text, "split.yaml"))
            ground = snapshot.Ground.of(config, REGISTRY, {})
            assert builder.build(ground, config) == snapshot.build(proxy, config, REGISTRY, {})


NAMES = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: vault, namespace: default }
spec:
  hosts: [vault, a.example.com]
  gateways: [mesh, edge]
  tls:
    - match: [{ sniHosts: [a.example.com] }]
      route: [{ destination: { host: vault, subset: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 443, name: tls, protocol: TLS }, hosts: ["*"], tls: {} }]
"""


def test_a_builder_follows_rules_for_tls_that_come_change_and_go() -> None:
    pool = NAMES + POOL
    for proxy in PROXIES.values():
        builder = snapshot.Builder(proxy)
        for text in (
            SPLIT,
            SPLIT + NAMES,
            SPLIT + NAMES.replace("subset: v1", "subset: v2"),
            SPLIT + pool,
            SPLIT,
        ):
            config = Config(resources.parse(text, "names.yaml"))
            ground = snapshot.Ground.of(config, REGISTRY, {})
            assert builder.build(ground, config) == snapshot.build(proxy, config, REGISTRY, {})


POOL = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: vault, namespace: default }
spec: { host: vault, trafficPolicy: { connectionPool: { tcp: { idleTimeout: 7s } } } }
"""


def test_a_builder_makes_clusters_anew_only_when_they_may_differ() -> None:
    builder = snapshot.Builder(PROXIES["client"])
    built = []
    for text in (
        SPLIT,
        SPLIT.replace("weight: 90", "weight: 50"),
        SPLIT.replace("version: v2", "version: v3"),
    ):
        config = Config(resources.parse(text, "split.yaml"))
        built.append(builder.build(snapshot.Ground.of(config, REGISTRY, {}), config))
    first, weights, subset = built
    assert weights.clusters is first.clusters
    assert weights.listeners is first.listeners
    assert weights.routes != first.routes
    assert subset.clusters != first.clusters


SCOPED = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec: { egress: [{ hosts: ["./echo.default.svc.cluster.local", "*/*.example.com"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: away, namespace: default }
spec:
  hosts: [away.example.com]
  http: [{ route: [{ destination: { host: DESTINATION } }] }]
"""


def test_a_rule_that_leads_elsewhere_brings_its_cluster_along_where_a_sidecar_names_hosts() -> None:
    builder = snapshot.Builder(PROXIES["client"])
    for destination in ("ratings", "reviews"):
        config = Config(resources.parse(SPLIT + SCOPED.replace("DESTINATION", destination), "split.yaml"))
        made = builder.build(snapshot.Ground.of(config, REGISTRY, {}), config)
        found = {name.split("|")[3].partition(".")[0] for name in made.clusters if name.count("|") == 3}
        assert found == {"echo", destination}
        assert made == snapshot.build(PROXIES["client"], config, REGISTRY, {})


CHOOSY = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: choosy, namespace: default }
spec:
  hosts: [reviews]
  http:
    - match: [{ sourceLabels: { app: client } }]
      route: [{ destination: { host: reviews, subset: v1 } }]
    - match: [{ sourceNamespace: other }]
      route: [{ destination: { host: reviews, subset: v2 } }]
    - route: [{ destination: { host: reviews } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: choosy, namespace: default }
spec:
  host: reviews
  workloadSelector: { matchLabels: { app: client } }
  trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }
"""


ASKING = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: client, namespace: default }
spec: { workloadSelector: { labels: { app: client } }, egress: [{ hosts: ["./*"] }] }
"""


def test_proxies_of_one_audience_have_equal_routes_and_what_tells_them_apart_makes_two() -> None:
    labels = ({"app": "client"}, {"app": "client", "version": "v9"}, {"app": "web"})
    for text, audiences in ((SPLIT, 2), (SPLIT + CHOOSY, 4), (SPLIT + ASKING, 3)):
        config = Config(resources.parse(text, "split.yaml"))
        made: dict[tuple[object, ...], object] = {}
        for namespace in ("default", "other"):
            for number, chosen in enumerate(labels):
                proxy = replace(PROXIES["client"], name=f"p{number}", namespace=namespace, labels=chosen)
                view = View(proxy, config, REGISTRY, {})
                routes = outbound.route_configurations(view)
                assert (
                    made.setdefault(outbound.audience(view, outbound.client_selectors(config)), routes)
                    == routes
                )
        assert len(made) == audiences
