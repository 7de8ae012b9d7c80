"""What one proxy may see: the common first argument of every translator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mesh.local.envoy.mesh_config import MeshConfig, mesh_config
from mesh.local.envoy.scope import Scope, scope_of
from mesh.local.model import Config, Proxy, Registry, Resource, Service


@dataclass(frozen=True)
class View:
    """One proxy, the mesh around it, and the JWKS texts by uri (an absent one could not be fetched)."""

    proxy: Proxy
    config: Config
    registry: Registry
    jwks: Mapping[str, str]

    @cached_property
    def rules(self) -> dict[str, Any]:
        """What `destination_rule` has found for a host already: every route of a table asks for its own."""
        return {}

    @cached_property
    def mesh(self) -> MeshConfig:
        return mesh_config(self.config)

    @cached_property
    def scope(self) -> Scope:
        """The services that the proxy may call, as far as exports and its Sidecar go."""
        return scope_of(self.proxy, self.config, self.registry, self.mesh)

    @cached_property
    def registry_only(self) -> bool:
        """Whether hosts of no service are refused: the Sidecar's word, else the mesh's."""
        sidecar = self.scope.sidecar
        policy = sidecar.spec.get("outboundTrafficPolicy") if sidecar else None
        if policy is None:
            return self.mesh.registry_only
        return (policy.get("mode") or "REGISTRY_ONLY") == "REGISTRY_ONLY"

    def service(self, hostname: str) -> Service | None:
        """The service that the proxy knows by this host."""
        return self.scope.by_host.get(hostname)


def exported(resource: Resource, default: Sequence[str], namespace: str) -> bool:
    """Whether `namespace` may use the resource, by its `exportTo`."""
    for target in resource.spec.get("exportTo") or default:
        if target == "*" or (target == "." and resource.namespace == namespace) or target == namespace:
            return True
    return False


def selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether a workload selector (`matchLabels`, or a Gateway's plain labels) picks these labels."""
    return all(labels.get(key) == value for key, value in (selector or {}).items())
