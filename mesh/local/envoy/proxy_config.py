"""ProxyConfig: how a pod's proxy is started."""

from __future__ import annotations

from collections.abc import Mapping

from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.envoy.view import selects
from mesh.local.model import ROOT_NAMESPACE, Config, Resource

DEFAULT_CONCURRENCY = 1  # Istio's is 2; a laptop has many proxies


def concurrency(config: Config, namespace: str, labels: Mapping[str, str]) -> int:
    """The threads of a proxy that starts now (0: one a core): workload, namespace, mesh, MeshConfig."""
    found: dict[int, int] = {}
    for resource in config.of("ProxyConfig"):
        written, selector = resource.spec.get("concurrency"), _selector(resource)
        if written is None or resource.namespace not in (namespace, ROOT_NAMESPACE):
            continue
        if selector:
            if resource.namespace == namespace and selects(selector, labels):
                found.setdefault(0, written)
        else:
            found.setdefault(1 if resource.namespace == namespace else 2, written)
    default = mesh_config(config).raw.get("defaultConfig") or {}
    return found[min(found)] if found else int(default.get("concurrency", DEFAULT_CONCURRENCY))


def _selector(resource: Resource) -> Mapping[str, str]:
    return (resource.spec.get("selector") or {}).get("matchLabels") or {}
