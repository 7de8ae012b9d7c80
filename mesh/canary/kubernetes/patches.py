"""What a write changes of a VirtualService, as a JSON patch: its weights, and nothing beside them (pure)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


class NotOurs(ValueError):
    """A change of something that no rollout changes."""


def of_weights(before: Json, after: Json, version: str) -> list[Json]:
    """Empty where nothing changes. It fails as a whole where the object has another version by then.

    Routes that come or go replace the list of them, since the server knows no part of it. Raises NotOurs.
    """
    if _without_routes(before) != _without_routes(after):
        raise NotOurs("a rollout changes nothing of a VirtualService but spec.http")
    old, new = before["spec"]["http"], after["spec"]["http"]
    if old == new:
        return []
    if _without_weights(old) == _without_weights(new):
        changes = list(_weights(old, new))
    else:
        changes = [{"op": "replace", "path": "/spec/http", "value": new}]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *changes]


def _weights(old: list[Json], new: list[Json]) -> Iterator[Json]:
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        for place, (was, will) in enumerate(
            zip(one.get("route") or [], other.get("route") or [], strict=True)
        ):
            if was.get("weight") != will.get("weight"):
                path = f"/spec/http/{number}/route/{place}/weight"
                operation = "replace" if "weight" in was else "add"
                yield {"op": operation, "path": path, "value": will.get("weight") or 0}


def _without_routes(body: Json) -> Json:
    """What a rollout leaves alone; of the metadata the server changes most, so only who it is counts."""
    metadata = body.get("metadata") or {}
    spec = {name: value for name, value in (body.get("spec") or {}).items() if name != "http"}
    return {"name": metadata.get("name"), "namespace": metadata.get("namespace"), "spec": spec}


def _without_weights(routes: list[Json]) -> list[Json]:
    bare = copy.deepcopy(routes)
    for route in bare:
        for entry in route.get("route") or []:
            entry.pop("weight", None)
    return bare
