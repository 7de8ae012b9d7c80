"""Where the canary's share stands: weights of a delegate VirtualService, and routes beside them (pure)."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mesh.canary.runs.fields import Affinity, Cookie, Header, Mirror

Json = dict[str, Any]

HEADER_ROUTE, MIRROR_ROUTE = "canary-header", "canary-mirror"
CANARY_AFFINITY, STABLE_AFFINITY = "canary-affinity", "stable-affinity"
# What a run puts before the split, and takes away again.
ROUTES = frozenset({HEADER_ROUTE, MIRROR_ROUTE, CANARY_AFFINITY, STABLE_AFFINITY})
# What may be done twice. Each has a match: a regex would not merge with the method of a root's match.
COPIED = ("GET",)
SET_COOKIE = "set-cookie"


class NotASplit(ValueError):
    """A VirtualService that does not split traffic between the two subsets, and why."""


@dataclass(frozen=True)
class Traffic:
    """The canary's share in whole percent; `header`: requests with the rollout's header go to it as well;
    `mirror`: copies of requests do."""

    percent: int
    header: bool = False
    mirror: bool = False


@dataclass(frozen=True)
class Ways:
    """How requests find their arm otherwise than by weights.

    `steps` are the shares in percent that the canary may come to have, `token` is what tells cookies of this
    run from those of another.
    """

    trial: Header | Cookie | None = None
    mirror: Mirror | None = None
    affinity: Affinity | None = None
    steps: tuple[int, ...] = ()
    token: str = ""


def read(body: Json, stable: str, canary: str) -> Traffic:
    """The shares as they stand. Raises NotASplit."""
    weights = _weights(_split(body))
    if set(weights) != {stable, canary}:
        raise NotASplit(f"{_name(body)} splits between {', '.join(weights)}, not {stable} and {canary}")
    if sum(weights.values()) != 100:
        raise NotASplit(f"{_name(body)}: the weights add up to {sum(weights.values())}, not 100")
    named = {route.get("name"): route for route in _routes(body)}
    # What is copied has weights of its own, which somebody may have changed.
    copied = _weights(named[MIRROR_ROUTE]).get(canary, 0) if MIRROR_ROUTE in named else 0
    return Traffic(max(weights[canary], copied), HEADER_ROUTE in named, MIRROR_ROUTE in named)


def write(body: Json, stable: str, canary: str, traffic: Traffic, ways: Ways) -> Json:
    """The same VirtualService with other weights; a run's own routes come and go, nothing else changes.

    Raises NotASplit.
    """
    read(body, stable, canary)
    made = copy.deepcopy(body)
    split = _split(made)
    arms: dict[str, Json] = {}
    for entry in split["route"]:
        arms.setdefault(_subset(entry), _without_cookie(entry, ways.affinity))
    for subset, entry in arms.items():
        entry["weight"] = traffic.percent if subset == canary else 100 - traffic.percent
    split["route"] = list(arms.values())
    routes: list[Json] = []
    if traffic.header and ways.trial is not None:
        routes.append(_only(HEADER_ROUTE, ways.trial.match(), arms[canary]))
    if traffic.mirror and ways.mirror is not None:
        routes.append(_mirrored(split, arms[canary], ways.mirror))
    if ways.affinity is not None and 0 < traffic.percent < 100:
        routes += _keep(split, arms, canary, traffic.percent, ways)
    made["spec"]["http"] = [*routes, split]
    return made


def roles(body: Json, one: str, other: str) -> tuple[str, str]:
    """(stable, canary): stable is the subset that has all of the traffic. Raises NotASplit."""
    percent = read(body, one, other).percent
    if percent == 0:
        return one, other
    if percent == 100:
        return other, one
    raise NotASplit(
        f"{_name(body)} gives {other} {percent} % now: set one of the two to 100 % before a run begins"
    )


def judge_cookies(body: Json) -> None:
    """Raises NotASplit where the split sets cookies: affinity's would have to take their place."""
    for entry in _split(body)["route"]:
        if SET_COOKIE in (((entry.get("headers") or {}).get("response") or {}).get("add") or {}):
            raise NotASplit(f"{_name(body)}: affinity sets a cookie, and {_subset(entry)} sets one already")


def _only(name: str, match: Json, entry: Json) -> Json:
    """A route for whoever matches, to one arm."""
    return {
        "name": name,
        "match": [match],
        "route": [{"destination": copy.deepcopy(entry["destination"])}],
    }


def _mirrored(split: Json, canary: Json, mirror: Mirror) -> Json:
    """The split once more for what may be done twice, with copies to the canary."""
    copies = {
        "destination": copy.deepcopy(canary["destination"]),
        "percentage": {"value": mirror.percent},
    }
    return {
        **copy.deepcopy(split),
        "name": MIRROR_ROUTE,
        "match": [{"method": {"exact": method}} for method in COPIED],
        "mirrors": [copies],
    }


def _keep(split: Json, arms: dict[str, Json], canary: str, percent: int, ways: Ways) -> list[Json]:
    """Everybody gets a place by cookie, between two steps: it is the canary's once its share reaches that.

    So a step takes some of stable's people over and none of the canary's back, and each arm has its share.
    """
    affinity = ways.affinity
    if affinity is None:
        raise AssertionError("nobody is to be kept")
    bounds = sorted({0, *ways.steps, percent, 100})
    entries: dict[str, list[Json]] = {subset: [] for subset in arms}
    places: dict[str, list[int]] = {subset: [] for subset in arms}
    [stable] = set(arms) - {canary}
    for low, high in pairwise(bounds):
        subset = canary if high <= percent else stable
        entry = copy.deepcopy(arms[subset])
        added = entry.setdefault("headers", {}).setdefault("response", {}).setdefault("add", {})
        if SET_COOKIE in added:  # a person has put it there since the run began
            raise NotASplit(f"affinity sets a cookie, and {subset} of the split sets one already")
        added[SET_COOKIE] = _cookie(affinity, f"{ways.token}-{high}")
        entries[subset].append({**entry, "weight": high - low})
        places[subset].append(high)
    split["route"] = [entry for subset in arms for entry in entries[subset]]
    named = ((CANARY_AFFINITY, canary), (STABLE_AFFINITY, stable))
    return [_only(name, _holds(affinity, ways.token, places[subset]), arms[subset]) for name, subset in named]


def _cookie(affinity: Affinity, value: str) -> str:
    lasts = f"Max-Age={affinity.max_age_s}"
    return f"{affinity.cookie}={value}; {lasts}; Path=/; HttpOnly; Secure; SameSite=Lax"


def _holds(affinity: Affinity, token: str, places: Collection[int]) -> Json:
    """Whether one of a request's cookies has one of these places."""
    value = f"{token}-({'|'.join(map(str, places))})"
    return {"headers": {"cookie": {"regex": f"(.*; ?)?{affinity.cookie}={value}(;.*)?"}}}


def _without_cookie(entry: Json, affinity: Affinity | None) -> Json:
    """An entry of the split as it was before a cookie of a run was set by it."""
    made = copy.deepcopy(entry)
    response = (made.get("headers") or {}).get("response") or {}
    added = response.get("add") or {}
    if affinity is None or not str(added.get(SET_COOKIE, "")).startswith(f"{affinity.cookie}="):
        return made
    del added[SET_COOKIE]
    if not added:
        del response["add"]
    if not response:
        del made["headers"]["response"]
    if not made["headers"]:
        del made["headers"]
    return made


def _routes(body: Json) -> list[Json]:
    routes = (body.get("spec") or {}).get("http")
    if not isinstance(routes, list):
        raise NotASplit(f"{_name(body)} has no http routes")
    return routes


def _split(body: Json) -> Json:
    found = [route for route in _routes(body) if route.get("name") not in ROUTES]
    if len(found) != 1 or not isinstance(found[0].get("route"), list):
        raise NotASplit(f"{_name(body)} must have exactly one http route, the split")
    return found[0]


def _weights(route: Json) -> dict[str, int]:
    """By subset, of which affinity has several entries."""
    weights: dict[str, int] = {}
    for entry in route.get("route") or []:
        weights[_subset(entry)] = weights.get(_subset(entry), 0) + int(entry.get("weight") or 0)
    return weights


def _subset(entry: Json) -> str:
    return str((entry.get("destination") or {}).get("subset"))


def _name(body: Json) -> str:
    return f"VirtualService {(body.get('metadata') or {}).get('name')}"
