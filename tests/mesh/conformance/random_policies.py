"""Small random policies for the platform of the suite, and requests that meet them.

What is drawn has one right answer: weights are all or nothing, faults befall every request or none, and
where several versions may answer, the one who compares does not tell them apart.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mesh.local.check import validate
from mesh.local.model import Json, Resource, Source
from tests.mesh.conformance.case import Expect, Request, base
from tests.mesh.conformance.random_routes import (
    CHOICE,
    HOSTS,
    NUMBER,
    PATHS,
    VALUES,
    Draw,
    delegates,
    made,
    virtual_service,
)

PRINCIPALS = ("cluster.local/ns/default/sa/client", "cluster.local/ns/other/*", "*", "*/stranger")
WORKLOADS = ("reviews", "ratings", "far")


class Policy(msgspec.Struct, frozen=True):
    """Objects of Istio's, and what is sent while they are in force."""

    resources: tuple[Json, ...]
    requests: tuple[Request, ...]


def policies(count: int, first: int) -> list[Policy]:
    """So many policies; `first` is the seed that they come from."""
    found: list[Policy] = []
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

    @seed(first)
    @settings(max_examples=count, phases=[Phase.generate], database=None, suppress_health_check=quiet)
    @given(_policies())
    def collect(policy: Policy) -> None:
        found.append(policy)

    collect()
    return found[:count]


def resources_of(policy: Policy) -> list[Resource]:
    return [_resource(body) for body in policy.resources]


@st.composite
def _policies(draw: st.DrawFn) -> Policy:
    found = base("subsets")
    found += [virtual_service(draw, name) for name in ("one", "two")[: draw(NUMBER(0, 2))]]
    if draw(NUMBER(0, 2)):
        found += [_authorization(draw, name) for name in ("one", "two")[: draw(NUMBER(1, 2))]]
    if not draw(NUMBER(0, 2)):
        found.append(_peers(draw))
    found += delegates(draw, found)
    valid = tuple(each for each in found if _valid([each]))
    hosts = [host for each in found for host in each["spec"].get("hosts", ())]
    likely = tuple(host for host in (*hosts, *hosts, *HOSTS) if host in HOSTS)
    requests = tuple(_request(draw, likely) for _ in range(draw(NUMBER(3, 5))))
    return Policy(valid if _valid(valid) else tuple(base("subsets")), requests)


def _valid(bodies: Any) -> bool:
    return not any(found.level == "error" for found in validate([_resource(each) for each in bodies])[1])


def _resource(body: Json) -> Resource:
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "default")
    return Resource(body["apiVersion"], body["kind"], namespace, metadata["name"], body, Source("random", 1))


def _selector(draw: Draw) -> Json:
    return {"selector": {"matchLabels": {"app": draw(CHOICE(WORKLOADS))}}} if draw(NUMBER(0, 2)) else {}


def _peers(draw: Draw) -> Json:
    spec = {**_selector(draw), "mtls": {"mode": draw(CHOICE(("STRICT", "PERMISSIVE", "DISABLE")))}}
    return made("PeerAuthentication", "peers", spec, draw(CHOICE(("default", "other", "istio-system"))))


def _authorization(draw: Draw, name: str) -> Json:
    spec = {**_selector(draw), "action": draw(CHOICE(("ALLOW", "DENY")))}
    spec["rules"] = [_rule(draw) for _ in range(draw(NUMBER(1, 2)))]
    namespace = draw(CHOICE(("default", "default", "other", "istio-system")))
    return made("AuthorizationPolicy", name, spec, namespace)


def _rule(draw: Draw) -> Json:
    rule: Json = {}
    if draw(NUMBER(0, 1)):
        rule["from"] = [{"source": _some(draw, _SOURCE)}]
    if draw(NUMBER(0, 1)):
        rule["to"] = [{"operation": _some(draw, _OPERATION)}]
    if not draw(NUMBER(0, 2)):
        key = draw(CHOICE(tuple(_CONDITIONS)))
        field = draw(CHOICE(("values", "notValues")))
        rule["when"] = [{"key": key, field: [draw(CHOICE(_CONDITIONS[key]))]}]
    return rule


_SOURCE = {
    "principals": PRINCIPALS,
    "namespaces": ("default", "other", "oth*"),
    "serviceAccounts": ("default/client", "other/stranger"),
    "ipBlocks": ("127.0.0.0/8", "10.0.0.0/8"),
}
_OPERATION = {
    "paths": ("/a", "/a/*", "*/b", "/{*}/x", "/new*", "/{**}"),
    "methods": ("GET", "POST", "P*"),
    "hosts": ("reviews", "reviews*", "*.cluster.local", "ratings"),
    "ports": ("8080", "80"),
}
_CONDITIONS = {
    "request.headers[x-a]": ("1", "1*", "*"),
    "source.namespace": ("other",),
    "source.principal": PRINCIPALS,
    "destination.port": ("8080",),
}


def _some(draw: Draw, table: dict[str, tuple[str, ...]]) -> Json:
    """One or two fields of the table, each as it is or negated."""
    found: Json = {}
    for _ in range(draw(NUMBER(1, 2))):
        name = draw(CHOICE(tuple(table)))
        written = name if draw(NUMBER(0, 3)) else f"not{name[0].upper()}{name[1:]}"
        found[written] = [draw(CHOICE(table[name])) for _ in range(draw(NUMBER(1, 2)))]
    return found


def _request(draw: Draw, hosts: tuple[str, ...]) -> Request:
    """Through a sidecar mostly, sometimes from the world straight to a pod."""
    host, path = draw(CHOICE(hosts)), draw(CHOICE(PATHS))
    client = draw(CHOICE(("client", "client", "stranger")))
    # a short name means nothing in another namespace
    name = f"{host}.default" if client == "stranger" and "." not in host else host
    direct = host in ("reviews", "ratings") and not draw(NUMBER(0, 5))
    pod = "reviews-v1" if host == "reviews" else host
    return Request(
        url=f"http://{name}{path}{draw(CHOICE(('', '', '?q=1', '?q=12')))}",
        expect=Expect(),
        client=client,
        through=pod if direct else "sidecar",
        method=draw(CHOICE(("GET", "GET", "POST"))),
        headers={"x-a": draw(CHOICE(VALUES))} if draw(NUMBER(0, 1)) else {},
    )
