"""Random VirtualServices for the platform of the suite: rules for all requests or none, never for a share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from mesh.local.model import Json

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


def made(kind: str, name: str, spec: Json, namespace: str = "default") -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": spec}


def virtual_service(draw: Draw, name: str) -> Json:
    routes = [_route(draw) for _ in range(draw(NUMBER(1, 3)))]
    return made("VirtualService", name, {"hosts": [draw(CHOICE(HOSTS))], "http": routes})


def delegates(draw: Draw, found: list[Json]) -> list[Json]:
    """The VirtualService that routes hand over to, if one does."""
    routes = [route for each in found for route in each["spec"].get("http") or []]
    if not any("delegate" in route for route in routes):
        return []
    inner = [_route(draw, delegate=True) for _ in range(draw(NUMBER(1, 2)))]
    return [made("VirtualService", "delegate", {"http": inner})]


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
