"""The words that policies and requests share, and how objects and parts of them are put together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from mesh.local.model import Json

Drawn = st.SearchStrategy[Any]

VERSIONS = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
    "RequestAuthentication": "security.istio.io/v1",
}
DETAILS = "details.other.svc.cluster.local"
SHOP, EXTERNAL = "shop.example.com", "api.example.com"
HOSTS = ("reviews", "ratings", DETAILS, "naked", EXTERNAL)
PATHS = ("/", "/a", "/a/", "/a/b", "/ab", "/A", "/old/x", "/b", "/a/%62")
VALUES = ("1", "12", "x")
NAMESPACES = ("default", "other", "istio-system")
# Made once each: a strategy costs more to make than to draw from.
_NUMBERS = cache(lambda below: st.sampled_from(range(below)))
EXPORTS = st.sampled_from((["."], ["*"], ["other"], ["default", "other"]))


def made(kind: str, name: str, spec: Json, namespace: str = "default") -> Json:
    version = VERSIONS.get(kind, "networking.istio.io/v1")
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def one(*values: Any) -> Drawn:
    return st.sampled_from(values)


@st.composite
def seldom(draw: st.DrawFn, strategy: Drawn, *, in_: int = 4) -> Any:
    """The strategy once in so many times, else None."""
    return draw(strategy) if draw(_NUMBERS(in_)) == in_ - 1 else None


def some(fields: Mapping[str, Drawn], least: int = 1, most: int = 2) -> Drawn:
    """So many of the fields, or fewer where one is drawn twice."""
    each = [st.tuples(st.just(name), drawn) for name, drawn in fields.items()]
    return st.lists(st.one_of(each), min_size=least, max_size=most).map(dict)


@st.composite
def joined(draw: st.DrawFn, *parts: Drawn) -> Json:
    """Objects of which each has fields of its own, as one; a part of None has none."""
    return {name: held for part in parts for name, held in (draw(part) or {}).items()}


def text(texts: tuple[str, ...], regexes: tuple[str, ...]) -> Drawn:
    """A StringMatch."""
    forms = {"exact": one(*texts), "prefix": one(*texts), "regex": one(*regexes)}
    return some(forms, most=1)
