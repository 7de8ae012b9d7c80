"""MeshConfig: the fields that change what a proxy is told, with Istio's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mesh.local.documents import documents
from mesh.local.envoy import durations
from mesh.local.model import ROOT_NAMESPACE, TRUST_DOMAIN, Config, Json

# 2 retries of what certainly did not reach the application (Istio since 1.24: no plain 503).
DEFAULT_RETRY: Json = {
    "attempts": 2,
    "retryOn": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
}


@dataclass(frozen=True)
class MeshConfig:
    """`raw` is the whole document, for what only one translator needs; `networks` are address ranges."""

    registry_only: bool = False
    auto_mtls: bool = True
    connect_timeout: str = "10s"
    path_normalization: str = "BASE"
    default_retry: Json = field(default_factory=lambda: DEFAULT_RETRY)
    dns_refresh_rate: str = "60s"
    export_services: tuple[str, ...] = ("*",)
    export_virtual_services: tuple[str, ...] = ("*",)
    export_destination_rules: tuple[str, ...] = ("*",)
    runtime_values: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)

    @property
    def trust_domains(self) -> tuple[str, ...]:
        """The mesh's own and its aliases."""
        return tuple(dict.fromkeys((TRUST_DOMAIN, *(self.raw.get("trustDomainAliases") or ()))))


def mesh_config(config: Config) -> MeshConfig:
    """What the ConfigMap `istio` of the root namespace says, as on Kubernetes."""
    resource = config.get("ConfigMap", ROOT_NAMESPACE, "istio")
    data = resource.body.get("data") if resource else None
    return _parse(str((data or {}).get("mesh") or ""), str((data or {}).get("meshNetworks") or ""))


def _document(text: str) -> Json:
    loaded = next((document.value for document in documents(text)), None)
    return loaded if isinstance(loaded, dict) else {}


@lru_cache(maxsize=8)
def _parse(text: str, networks: str) -> MeshConfig:
    raw = _document(text)
    normalization = (raw.get("pathNormalization") or {}).get("normalization", "DEFAULT")
    return MeshConfig(
        registry_only=(raw.get("outboundTrafficPolicy") or {}).get("mode") == "REGISTRY_ONLY",
        auto_mtls=raw.get("enableAutoMtls") is not False,
        connect_timeout=durations.envoy(raw.get("connectTimeout") or "10s"),
        path_normalization="BASE" if normalization == "DEFAULT" else normalization,
        default_retry=raw.get("defaultHttpRetryPolicy") or DEFAULT_RETRY,
        dns_refresh_rate=raw.get("dnsRefreshRate") or "60s",
        export_services=tuple(raw.get("defaultServiceExportTo") or ("*",)),
        export_virtual_services=tuple(raw.get("defaultVirtualServiceExportTo") or ("*",)),
        export_destination_rules=tuple(raw.get("defaultDestinationRuleExportTo") or ("*",)),
        runtime_values=(raw.get("defaultConfig") or {}).get("runtimeValues") or {},
        networks=tuple(
            endpoint["fromCidr"]
            for _, network in sorted((_document(networks).get("networks") or {}).items())
            for endpoint in (network or {}).get("endpoints") or []
            if "fromCidr" in endpoint
        ),
        raw=raw,
    )
