"""PeerAuthentication: which mode of mutual TLS a workload's port demands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from mesh.local.envoy.view import selects
from mesh.local.model import ROOT_NAMESPACE, Config, Json, Resource

Mode = Literal["STRICT", "PERMISSIVE", "DISABLE"]


def mode_of(config: Config, namespace: str, labels: Mapping[str, str], port: int | None = None) -> Mode:
    """The mode of a workload, or of its container port: port, workload, namespace, mesh, PERMISSIVE."""
    return decided(config, namespace, labels, port)[0]


def decided(
    config: Config, namespace: str, labels: Mapping[str, str], port: int | None = None
) -> tuple[Mode, Resource | None, tuple[str | int, ...]]:
    """The mode, and the object and field that say so; nobody does where it is the default."""
    workload = _first(r for r in _own(config, namespace) if _selector(r) and selects(_selector(r), labels))
    if workload and port is not None:
        key = port_key(workload, port)
        written = _written((workload.spec.get("portLevelMtls") or {}).get(key))
        if written:
            return written, workload, ("spec", "portLevelMtls", key, "mode")
    for resource in (workload, namespace_wide(config, namespace), namespace_wide(config, ROOT_NAMESPACE)):
        if resource and (written := _written(resource.spec.get("mtls"))):
            return written, resource, ("spec", "mtls", "mode")
    return "PERMISSIVE", None, ()


def accepts_mtls(config: Config, namespace: str, labels: Mapping[str, str], port: int) -> bool:
    return mode_of(config, namespace, labels, port) != "DISABLE"


def namespace_mode(config: Config, namespace: str) -> Mode:
    """What holds for a namespace as a whole, whatever single workloads say."""
    for resource in (namespace_wide(config, namespace), namespace_wide(config, ROOT_NAMESPACE)):
        if resource and (written := _written(resource.spec.get("mtls"))):
            return written
    return "PERMISSIVE"


def namespace_wide(config: Config, namespace: str) -> Resource | None:
    return _first(r for r in _by_namespace(config).get(namespace, ()) if not _selector(r))


def port_key(resource: Resource, port: int) -> int | str:
    """The key as written: YAML gives a number, JSON a text."""
    levels = resource.spec.get("portLevelMtls") or {}
    return port if port in levels else str(port)


def _own(config: Config, namespace: str) -> Iterable[Resource]:
    # A selector in the root namespace makes Istio ignore the whole object.
    if namespace == ROOT_NAMESPACE:
        return ()
    return _by_namespace(config).get(namespace, ())


@lru_cache(maxsize=4)
def _by_namespace(config: Config) -> dict[str, list[Resource]]:
    made: dict[str, list[Resource]] = {}
    for resource in config.of("PeerAuthentication"):
        made.setdefault(resource.namespace, []).append(resource)
    return made


def _first(resources: Iterable[Resource]) -> Resource | None:
    return next(iter(resources), None)


def _selector(resource: Resource) -> Json:
    return (resource.spec.get("selector") or {}).get("matchLabels") or {}


def _written(mtls: Json | None) -> Mode | None:
    mode = (mtls or {}).get("mode")
    return mode if mode in ("STRICT", "PERMISSIVE", "DISABLE") else None
