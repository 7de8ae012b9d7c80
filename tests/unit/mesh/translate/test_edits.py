"""An edit makes anew what it touches: after any edits all is as if it had been translated afresh."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mesh.local import snapshot
from mesh.local.model import Config, Json, Registry, Resource, Source
from mesh.local.snapshot import Builder, Ground, Routes
from tests.unit.mesh.translate.world import PROXIES, REGISTRY

HOSTS = (
    "reviews",
    "ratings",
    "echo",
    "far.other.svc.cluster.local",
    "*.default.svc.cluster.local",
    "out.example",
)
SUBSETS = ("v1", "v2")
# A registry that has lost a service and a pod.
SMALLER = Registry(REGISTRY.services[1:], REGISTRY.endpoints[1:])

subset_of_two = st.sampled_from([None, *SUBSETS])
destinations = st.builds(
    lambda host, subset: {"host": host} | ({"subset": subset} if subset else {}),
    st.sampled_from(HOSTS[:4]),
    subset_of_two,
)
matches: st.SearchStrategy[Json] = st.sampled_from(
    [{}, {"uri": {"prefix": "/a"}}, {"sourceLabels": {"app": "client"}}, {"headers": {"x": {"exact": "y"}}}]
)


def _http(chosen: list[tuple[Json, Json, int]]) -> list[Json]:
    return [
        {"match": [match], "route": [{"destination": destination}], "timeout": f"{seconds}s"}
        for match, destination, seconds in chosen
    ]


https = st.lists(st.tuples(matches, destinations, st.integers(1, 3)), min_size=1, max_size=3).map(_http)
delegations = st.just([{"match": [{"uri": {"prefix": "/d"}}], "delegate": {"name": "delegate"}}])
virtual_services = st.fixed_dictionaries(
    {
        "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
        "http": st.one_of(https, delegations),
    },
    optional={
        "exportTo": st.sampled_from([["."], ["*"], ["other"]]),
        "tcp": st.just([{"route": [{"destination": {"host": "echo", "port": {"number": 9000}}}]}]),
    },
)
policies = st.sampled_from(
    [
        {"connectionPool": {"tcp": {"maxConnections": 3}}},
        {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
        {"tls": {"mode": "DISABLE"}},
    ]
)
destination_rules = st.fixed_dictionaries(
    {"host": st.sampled_from(HOSTS)},
    optional={
        "trafficPolicy": policies,
        "subsets": st.just([{"name": name, "labels": {"version": name}} for name in SUBSETS]),
        "exportTo": st.sampled_from([["."], ["*"]]),
        "workloadSelector": st.just({"matchLabels": {"app": "client"}}),
    },
)
sidecars = st.sampled_from([["./*"], ["*/*"], ["./reviews.default.svc.cluster.local"]]).map(
    lambda hosts: {"egress": [{"hosts": hosts}]}
)
authentications = st.sampled_from(["STRICT", "DISABLE"]).map(lambda mode: {"mtls": {"mode": mode}})
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "VirtualService": virtual_services,
    "DestinationRule": destination_rules,
    "Sidecar": sidecars,
    "PeerAuthentication": authentications,
}


def _resource(kind: str, name: str, spec: Json) -> Resource:
    version = "security.istio.io/v1" if kind == "PeerAuthentication" else "networking.istio.io/v1"
    body = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }
    return Resource(version, kind, "default", name, body, Source("edit.yaml", 1))


def _edit(kind: str) -> st.SearchStrategy[tuple[str, str, Json | None]]:
    """Which object there is from now on, and how; None: it is gone."""
    kinds = st.just(kind)
    return st.tuples(kinds, st.sampled_from(["a", "b"]), st.one_of(st.none(), KINDS[kind], KINDS[kind]))


delegates = st.tuples(
    st.just("VirtualService"),
    st.just("delegate"),
    st.one_of(st.none(), st.fixed_dictionaries({"http": https})),
)
edits = st.lists(
    st.one_of(*(_edit(kind) for kind in ("VirtualService", "DestinationRule", *KINDS)), delegates),
    min_size=1,
    max_size=8,
)


@given(edits, st.lists(st.booleans(), min_size=8, max_size=8))
def test_after_any_edits_all_is_as_if_translated_afresh(
    edits: list[tuple[str, str, Json | None]], smaller: list[bool]
) -> None:
    builders = {name: Builder(proxy) for name, proxy in PROXIES.items()}
    routes = Routes()
    there: dict[tuple[str, str], Resource] = {}
    for (kind, name, spec), few in zip(edits, smaller, strict=False):
        there.pop((kind, name), None)
        if spec is not None:
            there[kind, name] = _resource(kind, name, spec)
        config, registry = Config(there.values()), SMALLER if few else REGISTRY
        ground = Ground.of(config, registry, {})
        for proxy, builder in builders.items():
            made = builder.build(ground, config, routes)
            assert made == snapshot.build(PROXIES[proxy], config, registry, {})
