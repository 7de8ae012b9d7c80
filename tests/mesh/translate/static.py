"""A snapshot as one static bootstrap, so that `envoy --mode validate` judges every resource of it."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from mesh.local.bootstrap import INTERNAL_LISTENERS, RUNTIME_FLAGS
from mesh.local.model import Json, Snapshot
from tests.mesh.translate.authority import Authority

AUTHORITY = Authority("validation")
_CERTIFICATE, _KEY = AUTHORITY.issue([x509.DNSName("validation.test")])


_PEM: dict[str, Json] = {
    "certificate_chain": {"inline_string": _CERTIFICATE},
    "private_key": {"inline_string": _KEY},
    "trusted_ca": {"inline_string": AUTHORITY.root},
}


def rendition(snapshot: Snapshot) -> Json:
    """Everything that a snapshot refers to by file, in place."""
    listeners = [_inlined(listener, snapshot) for listener in snapshot.listeners.values()]
    clusters = [_inlined(cluster, snapshot) for cluster in snapshot.clusters.values()]

    return {
        "node": {"id": "validation", "cluster": "validation"},
        "bootstrap_extensions": [INTERNAL_LISTENERS],
        "layered_runtime": {"layers": [{"name": "static", "static_layer": dict(RUNTIME_FLAGS)}]},
        "static_resources": {
            "listeners": listeners,
            "clusters": clusters,
            "secrets": _secrets([listeners, clusters]),
        },
    }


def _inlined(value: Any, snapshot: Snapshot) -> Any:
    if isinstance(value, dict):
        if "rds" in value:
            rest = {key: part for key, part in value.items() if key != "rds"}
            name = value["rds"]["route_config_name"]
            return _inlined({**rest, "route_config": snapshot.routes[name]}, snapshot)
        if "sds_config" in value:
            return {"name": value["name"]}
        if str(value.get("@type")).endswith(".FileAccessLog"):
            value = {**value, "path": "/dev/null"}
        return {key: _PEM.get(key) or _inlined(part, snapshot) for key, part in value.items()}
    if isinstance(value, list):
        return [_inlined(part, snapshot) for part in value]
    return value


def _secrets(value: Any) -> list[Json]:
    names = {**dict.fromkeys(_named(value, "validation_context_sds_secret_config"), True)}
    pairs = dict.fromkeys(_named(value, "tls_certificate_sds_secret_configs"), False)
    return [_secret(name, authority=authority) for name, authority in {**pairs, **names}.items()]


def _secret(name: str, *, authority: bool) -> Json:
    if authority:
        return {"name": name, "validation_context": {"trusted_ca": {"inline_string": AUTHORITY.root}}}
    pair = {"certificate_chain": {"inline_string": _CERTIFICATE}, "private_key": {"inline_string": _KEY}}
    return {"name": name, "tls_certificate": pair}


def _named(value: Any, field: str) -> list[str]:
    if isinstance(value, list):
        return [name for part in value for name in _named(part, field)]
    if not isinstance(value, dict):
        return []
    found = value.get(field) or []
    own = [config["name"] for config in (found if isinstance(found, list) else [found])]
    return own + [name for key, part in value.items() if key != field for name in _named(part, field)]
