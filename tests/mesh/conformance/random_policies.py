"""Small random policies for the platform of the suite, and requests that meet them.

What is drawn has one right answer: weights are all or nothing, faults befall every request or none, and
where several versions may answer, the one who compares asks for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mesh.local.check import validate
from mesh.local.model import Json, Resource, Source
from tests.mesh.conformance.case import Expect, Request, base

Draw = Callable[[st.SearchStrategy[Any]], Any]
CHOICE = cache(st.sampled_from)
NUMBER = cache(st.integers)
VERSIONS = {
    "VirtualService": "networking.istio.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "AuthorizationPolicy": "security.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
}
HOSTS = ("reviews", "reviews", "ratings", "details.other.svc.cluster.local", "naked")
PATHS = ("/", "/a", "/a/", "/a/b", "/ab", "/A", "/old/x", "/b", "/a/%62")
PATTERNS = ("/a.*", "/[ab]", "/(a|old)/.+", ".*b")
VALUES = ("1", "12", "x")
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
    found += [_virtual_service(draw, name) for name in ("one", "two")[: draw(NUMBER(0, 2))]]
    if draw(NUMBER(0, 2)):
        found += [_authorization(draw, name) for name in ("one", "two")[: draw(NUMBER(1, 2))]]
    if not draw(NUMBER(0, 2)):
        found.append(_peers(draw))
    found += _delegates(draw, found)
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


def _object(kind: str, name: str, spec: Json, namespace: str = "default") -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": spec}


def _virtual_service(draw: Draw, name: str) -> Json:
    routes = [_route(draw) for _ in range(draw(NUMBER(1, 3)))]
    return _object("VirtualService", name, {"hosts": [draw(CHOICE(HOSTS))], "http": routes})


def _delegates(draw: Draw, found: list[Json]) -> list[Json]:
    """The VirtualService that routes hand over to, if one does."""
    routes = [route for each in found for route in each["spec"].get("http") or []]
    if not any("delegate" in route for route in routes):
        return []
    inner = [_route(draw, delegate=True) for _ in range(draw(NUMBER(1, 2)))]
    return [_object("VirtualService", "delegate", {"http": inner})]


def _route(draw: Draw, *, delegate: bool = False) -> Json:
    route: Json = {}
    if draw(NUMBER(0, 4)):
        route["match"] = [_match(draw) for _ in range(draw(NUMBER(1, 2)))]
    actions = ("route", "route", "route", "redirect", "directResponse") + (() if delegate else ("delegate",))
    action = draw(CHOICE(actions))
    if action == "delegate":
        return {**route, "delegate": {"name": "delegate"}}
    if action == "redirect":
        return {**route, "redirect": _redirect(draw)}
    if action == "directResponse":
        return {
            **route,
            "directResponse": {"status": draw(CHOICE((200, 418, 503))), "body": {"string": "told"}},
        }
    route["route"] = _destinations(draw)
    if not draw(NUMBER(0, 2)):
        route["rewrite"] = _rewrite(draw)
    if not draw(NUMBER(0, 2)):
        route["headers"] = {draw(CHOICE(("request", "response"))): _headers(draw)}
    if not draw(NUMBER(0, 5)):
        percentage = {"value": draw(CHOICE((0, 100)))}
        route["fault"] = {"abort": {"httpStatus": draw(CHOICE((418, 503))), "percentage": percentage}}
    if not draw(NUMBER(0, 5)):
        route["retries"] = {"attempts": draw(NUMBER(0, 2))}
    return route


def _destinations(draw: Draw) -> list[Json]:
    destination = draw(
        CHOICE(
            ("reviews v1", "reviews v2", "reviews v3", "ratings", "details.other.svc.cluster.local", "nobody")
        )
    )
    host, _, subset = destination.partition(" ")
    whole: Json = {"destination": {"host": host, **({"subset": subset} if subset else {})}}
    if draw(NUMBER(0, 2)):
        return [whole]
    if not draw(NUMBER(0, 2)):
        whole["headers"] = {draw(CHOICE(("request", "response"))): _headers(draw)}
    return [{**whole, "weight": 100}, {"destination": {"host": "ratings"}, "weight": 0}]


def _match(draw: Draw) -> Json:
    match: Json = {}
    if draw(NUMBER(0, 3)):
        match["uri"] = _string(draw, PATHS)
    if not draw(NUMBER(0, 3)):
        match["ignoreUriCase"] = True
    if not draw(NUMBER(0, 2)):
        field = draw(CHOICE(("headers", "withoutHeaders")))
        match[field] = {"x-a": {} if draw(NUMBER(0, 1)) else _string(draw, VALUES)}
    if not draw(NUMBER(0, 3)):
        match["method"] = _string(draw, ("GET", "POST"))
    if not draw(NUMBER(0, 3)):
        match["queryParams"] = {"q": _string(draw, VALUES)}
    if not draw(NUMBER(0, 5)):
        match["authority"] = _string(draw, ("reviews", "ratings"))
    if not draw(NUMBER(0, 5)):
        match["sourceLabels"] = {"app": draw(CHOICE(("client", "stranger")))}
    elif not draw(NUMBER(0, 5)):
        match["sourceNamespace"] = draw(CHOICE(("default", "other")))
    return match


def _string(draw: Draw, texts: tuple[str, ...]) -> Json:
    form = draw(CHOICE(("exact", "prefix", "regex")))
    regexes = PATTERNS if texts is PATHS else (f"{texts[0]}.*", ".*")
    return {form: draw(CHOICE(regexes if form == "regex" else texts))}


def _redirect(draw: Draw) -> Json:
    parts: Json = {"uri": draw(CHOICE(PATHS)), "authority": "example.org", "scheme": "https", "port": 8443}
    parts = {name: value for name, value in parts.items() if draw(NUMBER(0, 1))} or {"uri": "/there"}
    return parts | ({"redirectCode": draw(CHOICE((302, 307)))} if draw(NUMBER(0, 1)) else {})


def _rewrite(draw: Draw) -> Json:
    if draw(NUMBER(0, 2)):
        path: Json = {"uri": draw(CHOICE(("/", "/new", "/new/")))}
    else:
        path = {"uriRegexRewrite": {"match": "/([a-z]+)", "rewrite": r"/\1/\1"}}
    return path | ({"authority": "written.example"} if draw(NUMBER(0, 1)) else {})


def _headers(draw: Draw) -> Json:
    operation = draw(CHOICE(("set", "add", "remove")))
    name = draw(CHOICE(("x-a", "x-b")))
    return (
        {"remove": [name]}
        if operation == "remove"
        else {operation: {name: draw(CHOICE(("new", "%PROTOCOL%")))}}
    )


def _selector(draw: Draw) -> Json:
    return {"selector": {"matchLabels": {"app": draw(CHOICE(WORKLOADS))}}} if draw(NUMBER(0, 2)) else {}


def _peers(draw: Draw) -> Json:
    spec = {**_selector(draw), "mtls": {"mode": draw(CHOICE(("STRICT", "PERMISSIVE", "DISABLE")))}}
    return _object("PeerAuthentication", "peers", spec, draw(CHOICE(("default", "other", "istio-system"))))


def _authorization(draw: Draw, name: str) -> Json:
    spec = {**_selector(draw), "action": draw(CHOICE(("ALLOW", "DENY")))}
    spec["rules"] = [_rule(draw) for _ in range(draw(NUMBER(1, 2)))]
    namespace = draw(CHOICE(("default", "default", "other", "istio-system")))
    return _object("AuthorizationPolicy", name, spec, namespace)


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
    query = draw(CHOICE(("", "", "?q=1", "?q=12")))
    headers = {"x-a": draw(CHOICE(VALUES))} if draw(NUMBER(0, 1)) else {}
    direct = host in ("reviews", "ratings") and not draw(NUMBER(0, 5))
    pod = "reviews-v1" if host == "reviews" else host
    return Request(
        url=f"http://{host}{path}{query}",
        expect=Expect(),
        client=draw(CHOICE(("client", "client", "stranger"))),
        through=pod if direct else "sidecar",
        method=draw(CHOICE(("GET", "GET", "POST"))),
        headers=headers,
    )
