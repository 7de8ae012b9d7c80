"""Where the canary's share stands: the two weights of a delegate VirtualService (pure)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from mesh.canary.runs.fields import Cookie, Header

Json = dict[str, Any]

HEADER_ROUTE = "canary-header"


class NotASplit(ValueError):
    """A VirtualService that does not split traffic between the two subsets, and why."""


@dataclass(frozen=True)
class Traffic:
    """The canary's share in whole percent; `header`: requests with the rollout's header go to it as well."""

    percent: int
    header: bool = False


def read(body: Json, stable: str, canary: str) -> Traffic:
    """The shares as they stand. Raises NotASplit."""
    split = _split(body)
    weights = {_subset(entry): int(entry.get("weight") or 0) for entry in split["route"]}
    if set(weights) != {stable, canary} or len(split["route"]) != 2:
        raise NotASplit(f"{_name(body)} splits between {', '.join(weights)}, not {stable} and {canary}")
    if sum(weights.values()) != 100:
        raise NotASplit(f"{_name(body)}: the weights add up to {sum(weights.values())}, not 100")
    return Traffic(weights[canary], any(route.get("name") == HEADER_ROUTE for route in _routes(body)))


def write(body: Json, stable: str, canary: str, traffic: Traffic, trial: Header | Cookie | None) -> Json:
    """The same VirtualService with other weights; the header's route comes and goes, nothing else changes."""
    read(body, stable, canary)
    made = copy.deepcopy(body)
    routes = [route for route in _routes(made) if route.get("name") != HEADER_ROUTE]
    entries = _split(made)["route"]
    for entry in entries:
        entry["weight"] = traffic.percent if _subset(entry) == canary else 100 - traffic.percent
    if traffic.header and trial is not None:
        chosen = next(entry for entry in entries if _subset(entry) == canary)
        destination = copy.deepcopy(chosen["destination"])
        routes.insert(
            0, {"name": HEADER_ROUTE, "match": [trial.match()], "route": [{"destination": destination}]}
        )
    made["spec"]["http"] = routes
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


def _routes(body: Json) -> list[Json]:
    routes = (body.get("spec") or {}).get("http")
    if not isinstance(routes, list):
        raise NotASplit(f"{_name(body)} has no http routes")
    return routes


def _split(body: Json) -> Json:
    found = [route for route in _routes(body) if route.get("name") != HEADER_ROUTE]
    if len(found) != 1 or not isinstance(found[0].get("route"), list):
        raise NotASplit(f"{_name(body)} must have exactly one http route, the split")
    return found[0]


def _subset(entry: Json) -> str:
    return str((entry.get("destination") or {}).get("subset"))


def _name(body: Json) -> str:
    return f"VirtualService {(body.get('metadata') or {}).get('name')}"
