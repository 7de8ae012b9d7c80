"""What would change for one proxy: in words, and in Envoy's configuration (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mesh.local.diff.fields import Change, changes
from mesh.local.envoy.view import View
from mesh.local.explain.origins import Origins, Part, origins
from mesh.local.model import Json, Snapshot

KINDS = ("listeners", "routes", "clusters", "endpoints")
_ONE = {
    "listeners": "listener",
    "routes": "route",
    "clusters": "cluster",
    "policies": "policy",
    "endpoints": "endpoints",
}
_MARKS = {"added": "with ", "removed": "without ", "changed": ""}
# Filters that do what policies say, which are told in their own words.
_OF_POLICIES = ("filters.http.rbac", "filters.network.rbac", "filters.http.jwt_authn")
MAX_FIELDS = 8  # of one resource that words name; -o json has all


class Difference(msgspec.Struct, frozen=True):
    """Of one of Envoy's resources."""

    kind: str
    name: str
    verb: str
    fields: tuple[Change, ...] = ()


class ProxyChange(msgspec.Struct, frozen=True):
    """`words` are the same for proxies that change alike."""

    words: tuple[str, ...]
    envoy: tuple[Difference, ...]


@dataclass(frozen=True)
class Side:
    """A proxy with one configuration."""

    view: View
    snapshot: Snapshot


def proxy_change(before: Side, after: Side) -> ProxyChange | None:
    """What differs; None when the proxy would have the very same."""
    found = tuple(_differences(before.snapshot, after.snapshot))
    if not found:
        return None
    now, then = origins(before.view), origins(after.view)
    words = [*_words(now, then)]
    words += _policy_words(before.view, after.view, [part.name for part in then.policies])
    said = "\n".join(words)
    for difference in found:
        words += _fields_in_words(difference, said)
    return ProxyChange(tuple(words), found)


def _differences(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    for kind in KINDS:
        old: Mapping[str, Json] = getattr(before, kind)
        new: Mapping[str, Json] = getattr(after, kind)
        for name in dict.fromkeys([*old, *new]):
            if name not in new:
                yield Difference(kind, name, "removed")
            elif name not in old:
                yield Difference(kind, name, "added")
            elif old[name] != new[name]:
                yield Difference(kind, name, "changed", tuple(changes(old[name], new[name])))


def _words(before: Origins, after: Origins) -> Iterator[str]:
    for kind, one in _ONE.items():
        if kind == "endpoints":
            continue  # they stand in the clusters
        old, new = _by_name(getattr(before, kind)), _by_name(getattr(after, kind))
        for name in dict.fromkeys([*old, *new]):
            was, will = old.get(name), new.get(name)
            if was is None and will is not None:
                yield f"new {one} {name}: {will}"
            elif will is None:
                yield f"no {one} {name} any more: {was}"
            elif was != will:
                yield f"{one} {name}: {was} -> {will}"


def _by_name(parts: Sequence[Part]) -> dict[str, str]:
    """What each part is about; the first of a name is the one that is met."""
    found: dict[str, str] = {}
    for part in parts:
        number, name = 1, part.name
        while name in found:
            number += 1
            name = f"{part.name} (no. {number})"
        found[name] = part.about
    return found


def _policy_words(before: View, after: View, names: Sequence[str]) -> Iterator[str]:
    """The fields that change of policies that the proxy has before and after."""
    for name in names:
        kind, _, place = name.partition(" ")
        namespace, _, short = place.partition("/")
        was, will = before.config.get(kind, namespace, short), after.config.get(kind, namespace, short)
        if was is not None and will is not None:
            for change in changes(was.body, will.body, named=False):
                yield f"policy {name}: {_MARKS[change.verb]}{change}"


def _fields_in_words(difference: Difference, said: str) -> Iterator[str]:
    """The fields of a resource that change otherwise than the words before tell."""
    if difference.verb != "changed" or (difference.kind == "clusters" and difference.name in said):
        return
    shown = [change for change in difference.fields if not _told(change, said)]
    for change in shown[:MAX_FIELDS]:
        yield f"{_ONE[difference.kind]} {difference.name}: {_MARKS[change.verb]}{_nearer(str(change))}"
    if len(shown) > MAX_FIELDS:
        more = len(shown) - MAX_FIELDS
        yield f"{_ONE[difference.kind]} {difference.name}: and {more} more fields (-o json)"


def _nearer(text: str) -> str:
    """A field without the way to it that every resource of its kind has."""
    return text.rpartition("typed_config.")[2] if text.startswith("filter_chains") else text


def _told(change: Change, said: str) -> bool:
    """Weights, destinations, whole routes and policies are told by the words already."""
    field = change.field
    if "virtual_hosts" in field:
        routed = field.endswith((".weight", ".cluster", ".name", "weighted_clusters", ".clusters"))
        whole = change.verb != "changed" and field.endswith("]")
        named = field.endswith((".decorator.operation", ".metadata"))
        # A route is called by its path and the names of its conditions.
        called = field.endswith((".match.prefix", ".match.path"))
        called = called or (".match." in field and change.verb != "changed")
        return named or ((routed or whole or called) and bool(said))
    return "policy " in said and any(name in field for name in _OF_POLICIES)
