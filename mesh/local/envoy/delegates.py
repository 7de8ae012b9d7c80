"""VirtualServices with their host names made whole and their delegates merged in.

Nothing here depends on a proxy, so it is done once per configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from mesh.local.envoy import names
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.envoy.view import exported
from mesh.local.model import Config, Json, Resource

Path = tuple[str | int, ...]
WHOLE = "whole"  # what a resource remembers

# What a delegate's route takes from the root's when it says nothing itself.
INHERITED = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrorPercentage",
    "mirrors",
    "corsPolicy",
    "headers",
)


@dataclass(frozen=True)
class Rule:
    """One `http` rule; `resource` and `path` say where its destinations were written."""

    http: Json
    resource: Resource
    path: Path

    def path_of(self, match: Json) -> Path:
        """Where one of the matches stands; the rule itself when the match came from a root's rule."""
        own = ((self.resource.spec.get("http") or [])[int(self.path[-1])]).get("match") or []
        return (*self.path, "match", own.index(match)) if match in own else self.path


@dataclass(frozen=True)
class VirtualService:
    """A root VirtualService, hosts and gateways as full names."""

    resource: Resource
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    rules: tuple[Rule, ...]

    @cached_property
    def destinations(self) -> frozenset[str]:
        """Every host that its http routes lead to, copies included."""
        return frozenset(
            part["destination"]["host"]
            for rule in self.rules
            for part in (
                *(rule.http.get("route") or []),
                *(rule.http.get("mirrors") or []),
                *([{"destination": rule.http["mirror"]}] if rule.http.get("mirror") else []),
            )
        )


@lru_cache(maxsize=4)
def virtual_services(config: Config) -> tuple[VirtualService, ...]:
    """Every VirtualService with hosts, in Istio's order of conflict."""
    roots = (resource for resource in config.of("VirtualService") if resource.spec.get("hosts"))
    return tuple(_remembered(config, resource) for resource in roots)


def _remembered(config: Config, resource: Resource) -> VirtualService:
    """The very same for the same resource, unless others have a say in it: most of them outlive an edit."""
    if any(http.get("delegate") for http in resource.spec.get("http") or []):
        return _whole(config, resource)
    if WHOLE not in resource.remembered:
        resource.remembered[WHOLE] = _whole(config, resource)
    found: VirtualService = resource.remembered[WHOLE]
    return found


def _whole(config: Config, resource: Resource) -> VirtualService:
    spec, namespace = resource.spec, resource.namespace
    return VirtualService(
        resource=resource,
        hosts=tuple(dict.fromkeys(_name(host, namespace) for host in spec["hosts"])),
        gateways=tuple(names.gateway(g, namespace) for g in spec.get("gateways") or ["mesh"]),
        rules=tuple(rule for root in _rules(resource) for rule in _expanded(config, root)),
    )


def _name(host: str, namespace: str) -> str:
    """Upper case and a final dot make no other name."""
    return names.resolve(host, namespace).lower().removesuffix(".")


def _rules(resource: Resource) -> Iterator[Rule]:
    for number, http in enumerate(resource.spec.get("http") or []):
        yield Rule(_with_full_names(http, resource.namespace), resource, ("spec", "http", number))


def _with_full_names(http: Json, namespace: str) -> Json:
    made = dict(http)

    def full(destination: Json) -> Json:
        return {**destination, "host": names.resolve(destination.get("host", ""), namespace).lower()}

    for key in ("route", "mirrors"):
        if http.get(key):
            made[key] = [{**part, "destination": full(part.get("destination") or {})} for part in http[key]]
    if http.get("mirror"):
        made["mirror"] = full(http["mirror"])
    if http.get("match"):
        made["match"] = [_match_with_gateways(match, namespace) for match in http["match"]]
    return made


def _match_with_gateways(match: Json | None, namespace: str) -> Json:
    if match and match.get("gateways"):
        return {**match, "gateways": [names.gateway(g, namespace) for g in match["gateways"]]}
    return dict(match or {})


def _expanded(config: Config, root: Rule) -> Iterator[Rule]:
    """The rule itself, or what its delegate makes of it: nothing when there is no such delegate."""
    delegate = root.http.get("delegate")
    if not delegate:
        yield root
        return
    namespace = delegate.get("namespace") or root.resource.namespace
    resource = config.get("VirtualService", namespace, delegate.get("name", ""))
    if resource is None or resource.spec.get("hosts"):
        return
    if not exported(resource, mesh_config(config).export_virtual_services, root.resource.namespace):
        return
    for leaf in _rules(resource):
        merged = merge(root.http, leaf.http)
        if merged is not None:
            yield Rule(merged, leaf.resource, leaf.path)


def merge(root: Json, leaf: Json) -> Json | None:
    """A delegate's rule under its root's; None when one of its matches contradicts every root match."""
    matches = _merge_matches(root.get("match") or [], leaf.get("match") or [])
    if matches is None:
        return None
    made = {key: root[key] for key in INHERITED if key in root}
    made.update({key: value for key, value in leaf.items() if key != "delegate"})
    if matches:
        made["match"] = matches
    if name := _joined(root.get("name"), leaf.get("name")):
        made["name"] = name
    return made


def _joined(root: str | None, leaf: str | None) -> str:
    return "-".join(name for name in (root, leaf) if name)


def _merge_matches(roots: list[Json], leaves: list[Json]) -> list[Json] | None:
    if not roots or not leaves:
        return leaves or roots
    made = []
    for leaf in leaves:
        fitting = [_narrowed(root, leaf) for root in roots if not _contradicts(root, leaf)]
        if not fitting:
            return None
        made += fitting
    return made


def _narrowed(root: Json, leaf: Json) -> Json:
    made = {**root, **leaf}
    for key in ("headers", "withoutHeaders", "queryParams", "sourceLabels"):
        if key in root or key in leaf:
            made[key] = {**(root.get(key) or {}), **(leaf.get(key) or {})}
    if name := _joined(root.get("name"), leaf.get("name")):
        made["name"] = name
    return made


def _contradicts(root: Json, leaf: Json) -> bool:
    for key in ("uri", "scheme", "method", "authority"):
        if _texts_contradict(root.get(key), leaf.get(key)):
            return True
    for key in ("headers", "withoutHeaders", "queryParams"):
        upper: Mapping[str, Any] = root.get(key) or {}
        for name, value in (leaf.get(key) or {}).items():
            if _texts_contradict(upper.get(name), value):
                return True
    labels: Mapping[str, str] = root.get("sourceLabels") or {}
    if any(labels.get(name, value) != value for name, value in (leaf.get("sourceLabels") or {}).items()):
        return True
    if bool(root.get("ignoreUriCase")) != bool(leaf.get("ignoreUriCase")):
        return True
    if root.get("port") and leaf.get("port") and root["port"] != leaf["port"]:
        return True
    # istiod takes a leaf that names no namespace for one that names another
    if root.get("sourceNamespace") and root["sourceNamespace"] != leaf.get("sourceNamespace"):
        return True
    gateways = root.get("gateways") or leaf.get("gateways") or []
    return not set(leaf.get("gateways") or []) <= set(gateways)


def _texts_contradict(root: Json | None, leaf: Json | None) -> bool:
    """A root's text match may be narrowed by its leaf's, never left; `{}` is a match of its own."""
    if root is None or leaf is None:
        return False
    if root.get("regex") or leaf.get("regex"):
        return True
    if root.get("exact"):
        return bool(leaf.get("prefix")) or leaf.get("exact") != root["exact"]
    text = leaf.get("prefix") or leaf.get("exact")
    return not root.get("prefix") or not text or not text.startswith(root["prefix"])
