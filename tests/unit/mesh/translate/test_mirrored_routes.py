"""A delegate that mirrors GET requests: each root that delegates to it has copies made, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from mesh.local import snapshot
from mesh.local.envoy.delegates import virtual_services
from mesh.local.explain import matching
from mesh.local.explain.request import Request, parse
from mesh.local.model import Config, Json, Resource
from mesh.local.resources import load
from mesh.local.runtime.registry import registry
from tests.unit.mesh.translate.world import PROXIES

ROOT = Path(__file__).parents[4]
SPACE = "delinkcious"
SERVICES = ("link-checker", "links", "news", "social-graph", "users", "web")
EDGE = "*"
GATEWAY = replace(PROXIES["gateway"], namespace=SPACE)
INSIDE = replace(PROXIES["client"], namespace=SPACE, labels={"app": "web"}, service_account="web")
PATHS = (
    "/api/v1/links", "/api/v1/links/7?page=2", "/api/v1/linksx", "/api/v1/tags/a/b", "/api/v1/imports/a-key",
    "/api/v1/exports", "/api/v1/users/me", "/api/v1/sessions", "/api/v1/following/bob",
    "/api/v1/suggestions", "/v1/links", "/news/stream", "/feeds/private/x", "/account/data.zip", "/",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "get")


@cache
def config(mirrored: str = "") -> Config:
    """The project's own configuration, with a route that mirrors GET before the split of one service."""
    own = load([ROOT / "mesh/istio", ROOT / "mesh/splits", ROOT / "helm/local.yaml"])
    return Config([mirroring(each) if each.name == f"{mirrored}-routes" else each for each in own])


def mirroring(split: Resource) -> Resource:
    [route] = split.spec["http"]
    copies = [{"destination": route["route"][1]["destination"], "percentage": {"value": 10}}]
    copied = {**route, "name": "mirror", "match": [{"method": {"exact": "GET"}}], "mirrors": copies}
    return replace(split, body={**split.body, "spec": {"http": [copied, route]}})


def delegated(service: str, mirrored: str = "") -> list[str]:
    """The names of all routes that a service's delegate gives to its roots."""
    return [
        rule.http["name"]
        for root in virtual_services(config(mirrored))
        for rule in root.rules
        if rule.resource.name == f"{service}-routes"
    ]


@cache
def routes(host: str, mirrored: str = "") -> list[Json]:
    """Envoy's routes for a host: of the gateway for `EDGE`, else of a sidecar."""
    found = config(mirrored)
    proxy = GATEWAY if host == EDGE else INSIDE
    made = snapshot.build(proxy, found, registry(found, [], lambda _: "10.0.0.1"), {})
    hosts = [each for table in made.routes.values() for each in table["virtual_hosts"]]
    return next(each["routes"] for each in hosts if host in each["domains"] and "require_tls" not in each)


def taken(host: str, request: Request, mirrored: str = "") -> Json:
    """What is done with a request. A mirroring route has a name and matches of its own."""
    route = next(each for each in routes(host, mirrored) if matching.route(each["match"], request))
    return {key: value for key, value in route.items() if key not in ("match", "name")}


def requests() -> Iterator[tuple[str, Request]]:
    for path, method, key in product(PATHS, METHODS, (False, True)):
        headers = {"idempotency-key": "k"} if key else {}
        for host in (EDGE, *SERVICES):
            scheme = "https" if host == EDGE else "http"
            yield host, parse(method, f"{scheme}://{host}{path}", headers)


@pytest.mark.parametrize("service", SERVICES)
def test_a_mirror_of_get_requests_is_merged_into_every_root(service: str) -> None:
    splits = delegated(service)
    assert splits
    both = [(name.removesuffix("split") + "mirror", name) for name in splits]
    assert delegated(service, mirrored=service) == [name for pair in both for name in pair]


@pytest.mark.parametrize("service", sorted({*SERVICES} - {"news"}))  # which speaks gRPC only: POST
def test_get_requests_are_copied_and_nothing_else_changes(service: str) -> None:
    stable, canary = (f"outbound|80|{subset}|{service}.{SPACE}.svc.cluster.local" for subset in ("v1", "v2"))
    met = set()
    for host, request in requests():
        before, after = taken(host, request), taken(host, request, mirrored=service)
        if request.method == "GET" and stable in str(before["route"]):
            action = dict(after["route"])
            [copy] = action.pop("request_mirror_policies")
            assert copy["cluster"] == canary
            met.add(host)
            after = {**after, "route": action}
        assert after == before, request
    assert service in met
