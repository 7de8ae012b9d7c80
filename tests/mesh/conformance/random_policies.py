"""Small random policies for the platform of the suite, and requests that meet them.

What is drawn has one right answer: weights are all or nothing, faults befall every request or none, and
where several versions may answer, the one who compares does not tell them apart.
"""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from mesh.local.check import validate
from mesh.local.model import Json, Resource, Source
from tests.mesh.conformance.case import Expect, Request, base
from tests.mesh.conformance.random_routes import (
    HOSTS,
    PATHS,
    VALUES,
    delegates,
    made,
    virtual_service,
)

PRINCIPALS = ("cluster.local/ns/default/sa/client", "cluster.local/ns/other/*", "*", "*/stranger")
MOST_REQUESTS = 6
WORKLOADS = ("reviews", "ratings", "far")


class Policy(msgspec.Struct, frozen=True):
    """Objects of Istio's, and what is sent while they are in force."""

    resources: tuple[Json, ...]
    requests: tuple[Request, ...]


def policies(count: int, first: int) -> list[Policy]:
    """So many policies; `first` is the seed that they come from."""
    return [_policy(Random(f"{first}/{number}")) for number in range(count)]  # noqa: S311 - no secret


def resources_of(policy: Policy) -> list[Resource]:
    return [_resource(body) for body in policy.resources]


def _policy(dice: Random) -> Policy:
    """One that is valid as a whole, whatever had to be thrown away for it."""
    while True:
        found = base("subsets")
        found += [
            virtual_service(dice, name) for name in dice.choice(((), ("one",), ("one",), ("one", "two")))
        ]
        found += [_authorization(dice, name) for name in dice.choice(((), (), ("one",), ("one", "two")))]
        found += [_peers(dice)] if dice.randint(0, 3) == 0 else []
        found += delegates(dice, found)
        if _valid(found):
            break
    hosts = [host for each in found for host in each["spec"].get("hosts", ())]
    likely = tuple(host for host in (*hosts * 4, *HOSTS) if host in HOSTS)
    return Policy(tuple(found), tuple(_request(dice, likely) for _ in range(MOST_REQUESTS)))


def _valid(bodies: Any) -> bool:
    return not any(found.level == "error" for found in validate([_resource(each) for each in bodies])[1])


def _resource(body: Json) -> Resource:
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "default")
    return Resource(body["apiVersion"], body["kind"], namespace, metadata["name"], body, Source("random", 1))


def _selector(dice: Random) -> Json:
    return {"selector": {"matchLabels": {"app": dice.choice(WORKLOADS)}}} if dice.randint(0, 2) else {}


def _peers(dice: Random) -> Json:
    spec = {**_selector(dice), "mtls": {"mode": dice.choice(("STRICT", "PERMISSIVE", "DISABLE"))}}
    return made("PeerAuthentication", "peers", spec, dice.choice(("default", "other", "istio-system")))


def _authorization(dice: Random, name: str) -> Json:
    spec = {**_selector(dice), "action": dice.choice(("ALLOW", "DENY"))}
    spec["rules"] = [_rule(dice) for _ in range(dice.randint(1, 2))]
    namespace = dice.choice(("default", "default", "other", "istio-system"))
    return made("AuthorizationPolicy", name, spec, namespace)


def _rule(dice: Random) -> Json:
    rule: Json = {}
    if dice.randint(0, 1):
        rule["from"] = [{"source": _some(dice, _SOURCE)}]
    if dice.randint(0, 1):
        rule["to"] = [{"operation": _some(dice, _OPERATION)}]
    if not dice.randint(0, 2):
        key = dice.choice(tuple(_CONDITIONS))
        field = dice.choice(("values", "notValues"))
        rule["when"] = [{"key": key, field: [dice.choice(_CONDITIONS[key])]}]
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


def _some(dice: Random, table: dict[str, tuple[str, ...]]) -> Json:
    """One or two fields of the table, each as it is or negated."""
    found: Json = {}
    for _ in range(dice.randint(1, 2)):
        name = dice.choice(tuple(table))
        written = name if dice.randint(0, 3) else f"not{name[0].upper()}{name[1:]}"
        found[written] = [dice.choice(table[name]) for _ in range(dice.randint(1, 2))]
    return found


def _request(dice: Random, hosts: tuple[str, ...]) -> Request:
    """Through a sidecar mostly, sometimes from the world straight to a pod."""
    host, path = dice.choice(hosts), dice.choice(PATHS)
    client = dice.choice(("client", "client", "stranger"))
    # a short name means nothing in another namespace
    name = f"{host}.default" if client == "stranger" and "." not in host else host
    direct = host in ("reviews", "ratings") and not dice.randint(0, 5)
    pod = "reviews-v1" if host == "reviews" else host
    return Request(
        url=f"http://{name}{path}{dice.choice(('', '', '?q=1', '?q=12'))}",
        expect=Expect(),
        client=client,
        through=pod if direct else "sidecar",
        method=dice.choice(("GET", "GET", "POST")),
        headers={"x-a": dice.choice(VALUES)} if dice.randint(0, 1) else {},
    )
