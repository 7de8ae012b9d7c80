"""What MeshConfig says of every destination, under what a DestinationRule says of one."""

from __future__ import annotations

from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.model import Json, Protocol

_BLOCKS = ("connectionPool", "outlierDetection")


def over_defaults(mesh: MeshConfig, policy: Json, protocol: Protocol) -> Json:
    """The blocks of an outbound cluster."""
    made = _with_blocks(mesh, policy)
    pool = _kept_alive(mesh, made.get("connectionPool") or {})
    http = pool.get("http") or {}
    upgrades = mesh.raw.get("h2UpgradePolicy") == "UPGRADE" and protocol == "http"
    if upgrades and not http.get("useClientProtocol") and http.get("h2UpgradePolicy") in (None, "DEFAULT"):
        pool = {**pool, "http": {**http, "h2UpgradePolicy": "UPGRADE"}}
    return {**made, "connectionPool": pool} if pool else made


def pool_over_defaults(mesh: MeshConfig, pool: Json) -> Json:
    """The connection pool of an inbound cluster: the workload behind it is asked for no other protocol."""
    made = _with_blocks(mesh, {"connectionPool": pool} if pool else {})
    kept = _kept_alive(mesh, made.get("connectionPool") or {})
    http = {key: value for key, value in (kept.get("http") or {}).items() if key != "h2UpgradePolicy"}
    return {**kept, "http": http} if "http" in kept else kept


def _with_blocks(mesh: MeshConfig, policy: Json) -> Json:
    default = mesh.raw.get("defaultTrafficPolicy") or {}
    return {**{key: default[key] for key in _BLOCKS if default.get(key)}, **policy}


def _kept_alive(mesh: MeshConfig, pool: Json) -> Json:
    """TCP keepalive is overridden field by field."""
    default = mesh.raw.get("tcpKeepalive")
    if default is None:
        return pool
    tcp = pool.get("tcp") or {}
    return {**pool, "tcp": {**tcp, "tcpKeepalive": {**default, **(tcp.get("tcpKeepalive") or {})}}}
