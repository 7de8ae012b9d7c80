"""Random VirtualServices for the platform of the suite: rules for all requests or none, never for a share."""

from __future__ import annotations

from random import Random

from mesh.local.model import Json

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


def virtual_service(dice: Random, name: str) -> Json:
    routes = [_route(dice) for _ in range(dice.randint(1, 3))]
    if dice.randint(0, 1):
        routes.append({"route": [{"destination": {"host": "reviews", "subset": "v3"}}]})
    return made("VirtualService", name, {"hosts": [dice.choice(HOSTS)], "http": routes})


def delegates(dice: Random, found: list[Json]) -> list[Json]:
    """The VirtualService that routes hand over to, if one does."""
    routes = [route for each in found for route in each["spec"].get("http") or []]
    if not any("delegate" in route for route in routes):
        return []
    inner = [_route(dice, delegate=True) for _ in range(dice.randint(1, 2))]
    return [made("VirtualService", "delegate", {"http": inner})]


def _route(dice: Random, *, delegate: bool = False) -> Json:
    route: Json = {}
    if dice.randint(0, 4):
        route["match"] = [_match(dice) for _ in range(dice.randint(1, 2))]
    actions = ("route", "route", "route", "redirect", "directResponse") + (() if delegate else ("delegate",))
    action = dice.choice(actions)
    if action == "delegate":
        return {**route, "delegate": {"name": "delegate"}}
    if action == "redirect":
        return {**route, "redirect": _redirect(dice)}
    if action == "directResponse":
        return {
            **route,
            "directResponse": {"status": dice.choice((200, 418, 503)), "body": {"string": "told"}},
        }
    route["route"] = _destinations(dice)
    if not dice.randint(0, 2):
        route["rewrite"] = _rewrite(dice)
    if not dice.randint(0, 2):
        route["headers"] = {dice.choice(("request", "response")): _headers(dice)}
    if not dice.randint(0, 5):
        percentage = {"value": dice.choice((0, 100))}
        route["fault"] = {"abort": {"httpStatus": dice.choice((418, 503)), "percentage": percentage}}
    if not dice.randint(0, 5):
        route["retries"] = {"attempts": dice.randint(0, 2)}
    return route


def _destinations(dice: Random) -> list[Json]:
    destination = dice.choice(
        ("reviews v1", "reviews v2", "reviews v3", "ratings", "details.other.svc.cluster.local", "nobody")
    )
    host, _, subset = destination.partition(" ")
    whole: Json = {"destination": {"host": host, **({"subset": subset} if subset else {})}}
    if dice.randint(0, 2):
        return [whole]
    if not dice.randint(0, 2):
        whole["headers"] = {dice.choice(("request", "response")): _headers(dice)}
    return [{**whole, "weight": 100}, {"destination": {"host": "ratings"}, "weight": 0}]


def _match(dice: Random) -> Json:
    """One or two conditions: more are met by hardly any request."""
    conditions: dict[str, Json | str | bool] = {
        "uri": _string(dice, PATHS),
        "headers": {"x-a": _header(dice)},
        "withoutHeaders": {"x-a": _header(dice)},
        "method": _string(dice, ("GET", "POST")),
        "queryParams": {"q": _string(dice, VALUES)},
        "authority": _string(dice, ("reviews", "ratings")),
        "sourceLabels": {"app": dice.choice(("client", "stranger"))},
        "sourceNamespace": dice.choice(("default", "other")),
    }
    names = dice.sample(("uri", "uri", *conditions), dice.randint(1, 2))
    match: Json = {name: conditions[name] for name in names}
    return match | ({"ignoreUriCase": True} if "uri" in match and not dice.randint(0, 3) else {})


def _header(dice: Random) -> Json:
    """Any value, or some."""
    return _string(dice, VALUES) if dice.randint(0, 2) else {}


def _string(dice: Random, texts: tuple[str, ...]) -> Json:
    form = dice.choice(("exact", "prefix", "regex"))
    regexes = PATTERNS if texts is PATHS else (f"{texts[0]}.*", ".*")
    return {form: dice.choice(regexes if form == "regex" else texts)}


def _redirect(dice: Random) -> Json:
    parts: Json = {"uri": dice.choice(PATHS), "authority": "example.org", "scheme": "https", "port": 8443}
    parts = {name: value for name, value in parts.items() if dice.randint(0, 1)} or {"uri": "/there"}
    return parts | ({"redirectCode": dice.choice((302, 307))} if dice.randint(0, 1) else {})


def _rewrite(dice: Random) -> Json:
    if dice.randint(0, 2):
        path: Json = {"uri": dice.choice(("/", "/new", "/new/"))}
    else:
        path = {"uriRegexRewrite": {"match": "/([a-z]+)", "rewrite": r"/\1/\1"}}
    return path | ({"authority": "written.example"} if dice.randint(0, 1) else {})


def _headers(dice: Random) -> Json:
    operation = dice.choice(("set", "add", "remove"))
    name = dice.choice(("x-a", "x-b"))
    return (
        {"remove": [name]}
        if operation == "remove"
        else {operation: {name: dice.choice(("new", "%PROTOCOL%"))}}
    )
