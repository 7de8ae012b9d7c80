"""Findings about VirtualServices: where their routes lead, and which are never used."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.check.mesh import Mesh, full_host, gateway_key
from mesh.local.model import CLUSTER_DOMAIN, Finding, Json, Resource
from mesh.local.resources import finding
from mesh.local.schema.virtual_service import MESH

MAX_MATCHES = 100  # of one VirtualService that are compared with each other; the cost is quadratic
_NAMES_ONLY = ("name", "statPrefix")  # of a match: they decide nothing

Path = tuple[str | int, ...]


def route_findings(mesh: Mesh) -> Iterator[Finding]:
    for virtual_service in mesh.config.of("VirtualService"):
        yield from _unknown_gateways(mesh, virtual_service)
        yield from _unknown_hosts(mesh, virtual_service)
        yield from _unused_routes(virtual_service)
        for at, route in _routes(virtual_service):
            yield from _unknown_destinations(mesh, virtual_service, route, at)
            yield from _unknown_delegate(mesh, virtual_service, route, at)
    yield from _same_hosts(mesh)


def _routes(resource: Resource) -> Iterator[tuple[Path, Json]]:
    for kind in ("http", "tcp", "tls"):
        for index, route in enumerate(resource.spec.get(kind) or []):
            yield ("spec", kind, index), route


def _unknown_gateways(mesh: Mesh, resource: Resource) -> Iterator[Finding]:
    names: list[tuple[Path, str]] = [
        (("spec", "gateways", i), name) for i, name in enumerate(resource.spec.get("gateways") or [])
    ]
    for at, route in _routes(resource):
        for number, match in enumerate(route.get("match") or []):
            inside: Path = (*at, "match", number, "gateways")
            names += [((*inside, i), name) for i, name in enumerate(match.get("gateways") or [])]
    for path, name in names:
        namespace, short = gateway_key(name, resource.namespace)
        if name != MESH and mesh.config.get("Gateway", namespace, short) is None:
            message = f'unknown Gateway "{name}"; Istio would accept this and leave the rule out there'
            yield finding(resource, path, message, id="IST0101")


def _unknown_hosts(mesh: Mesh, resource: Resource) -> Iterator[Finding]:
    """Hosts of the mesh's own kind that no Service has; others may be of the world outside."""
    if not mesh.services or (resource.spec.get("gateways") or [MESH]) != [MESH]:
        return
    for index, written in enumerate(resource.spec.get("hosts") or []):
        host, path = full_host(written, resource.namespace), ("spec", "hosts", index)
        if mesh.knows(host) or "*" in host:
            continue
        name, _, namespace = host.partition(".")
        if host.endswith(f".svc.{CLUSTER_DOMAIN}"):
            message = f'unknown host "{written}": no Service {host}, so no request meets this rule'
            yield finding(resource, path, message, warning=True, id="IST0101")
        elif (full := f"{name}.{namespace.removesuffix('.svc')}.svc.{CLUSTER_DOMAIN}") in mesh.services:
            message = f'"{written}" is not read as a short name: write {full}'
            yield finding(resource, path, message, warning=True, id="IST0101")


def destinations(route: Json) -> Iterator[tuple[Path, Json]]:
    """Every place that a route sends requests, copies of them, or connections to."""
    for index, entry in enumerate(route.get("route") or []):
        yield ("route", index, "destination"), entry["destination"]
    if "mirror" in route:
        yield ("mirror",), route["mirror"]
    for index, entry in enumerate(route.get("mirrors") or []):
        yield ("mirrors", index, "destination"), entry["destination"]


def _unknown_destinations(mesh: Mesh, resource: Resource, route: Json, at: Path) -> Iterator[Finding]:
    for path, destination in destinations(route):
        host = full_host(destination["host"], resource.namespace)
        subset = destination.get("subset")
        if subset is not None and subset not in mesh.subsets_of(host):
            yield finding(
                resource,
                (*at, *path, "subset"),
                f'unknown subset "{subset}": no DestinationRule for {host} declares it; '
                "Istio would accept this and answer 503",
                id="IST0101",
            )
        if not mesh.has_workloads:
            continue
        service = mesh.knows(host)
        if service is None:
            missing = mesh.missing(host)
            message = f'unknown host "{destination["host"]}": {missing}; requests are answered 503'
            yield finding(resource, (*at, *path, "host"), message, warning=True, id="IST0101")
            continue
        number = (destination.get("port") or {}).get("number")
        if number is not None and service.port(number) is None:
            message = f"{service.declared[0]} {host} has no port {number}; requests are answered 503"
            yield finding(resource, (*at, *path, "port", "number"), message, warning=True, id="DM0101")


def _unknown_delegate(mesh: Mesh, resource: Resource, route: Json, at: Path) -> Iterator[Finding]:
    if "delegate" not in route:
        return
    delegate = route["delegate"]
    namespace = delegate.get("namespace") or resource.namespace
    target = mesh.config.get("VirtualService", namespace, delegate["name"])
    if target is None:
        message = f"unknown VirtualService {namespace}/{delegate['name']}: the route is left out"
        yield finding(resource, (*at, "delegate", "name"), message, warning=True, id="IST0101")
    elif target.spec.get("hosts"):
        message = f"VirtualService {namespace}/{delegate['name']} has hosts, so it is no delegate"
        yield finding(resource, (*at, "delegate", "name"), message, warning=True, id="DM0102")


def _unused_routes(resource: Resource) -> Iterator[Finding]:
    """Matches that an earlier match of the same VirtualService takes everything from."""
    earlier: list[tuple[int, Json]] = []
    for index, route in enumerate(resource.spec.get("http") or []):
        matches = [_conditions(match) for match in route.get("match") or [{}]]
        for number, match in enumerate(matches):
            cover = next((first for first, before in earlier if _covers(before, match)), None)
            if cover is None:
                continue
            has_match = bool(route.get("match"))
            path: Path = ("spec", "http", index, "match", number) if has_match else ("spec", "http", index)
            message = f"is never used: http[{cover}] before it takes every such request"
            code = "IST0131" if len(matches) > 1 else "IST0130"
            yield finding(resource, path, message, warning=True, id=code)
        earlier += [(index, match) for match in matches]
        if len(earlier) > MAX_MATCHES:
            return


def _conditions(match: Json) -> Json:
    conditions = {name: value for name, value in match.items() if name not in _NAMES_ONLY and value}
    if (conditions.get("uri") or {}).get("prefix") in ("", "/"):
        del conditions["uri"]
    return conditions


def _covers(first: Json, second: Json) -> bool:
    """Does a request that fits `second` always fit `first`?"""
    for name, condition in first.items():
        if name == "uri":
            if not _covers_uri(first, second):
                return False
        elif name == "ignoreUriCase":
            continue
        elif second.get(name) != condition:
            return False
    return True


def _covers_uri(first: Json, second: Json) -> bool:
    wide, narrow = first["uri"], second.get("uri")
    if narrow is None or bool(second.get("ignoreUriCase")) > bool(first.get("ignoreUriCase")):
        return False
    if wide == narrow:
        return True
    literal = narrow.get("prefix") or narrow.get("exact")
    return bool(wide.get("prefix") and literal and literal.startswith(wide["prefix"]))


def _same_hosts(mesh: Mesh) -> Iterator[Finding]:
    """On sidecars the first rule in order (name, then namespace) owns a host alone."""
    owners: dict[str, list[Resource]] = {}
    for resource in mesh.config.of("VirtualService"):
        if MESH not in (resource.spec.get("gateways") or [MESH]):
            continue
        for index, written in enumerate(resource.spec.get("hosts") or []):
            host = full_host(written, resource.namespace)
            rivals = [owner for owner in owners.get(host, []) if _share_clients(owner, resource)]
            if rivals:
                message = f"{rivals[0]} has the host {host} too and comes first: sidecars ignore this one"
                yield finding(resource, ("spec", "hosts", index), message, warning=True, id="IST0109")
            owners.setdefault(host, []).append(resource)


def _share_clients(first: Resource, second: Resource) -> bool:
    """Do both speak to the same clients? One that is for all is rightly overridden by one for a few."""
    ours, theirs = _exported(first), _exported(second)
    if "*" in ours or "*" in theirs:
        return "*" in ours and "*" in theirs
    return bool(ours & theirs)


def _exported(resource: Resource) -> set[str]:
    names = resource.spec.get("exportTo") or ["*"]
    return {resource.namespace if name == "." else name for name in names}
