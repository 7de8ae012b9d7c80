"""MeshConfig with a mark of what it says, by which istiod shows when it has read it (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from mesh.local.documents import documents
from mesh.local.envoy.access_log import DEFAULT_FILE
from mesh.local.model import ROOT_NAMESPACE, Config, Json

NAME = "istio"
MARK = "DELINKCIOUS_MESH_CONFIG"  # metadata of proxies, which none of them reads


def config_map(config: Config) -> Json:
    """The ConfigMap that istiod reads: it is there in any case, and never the same for two settings."""
    resource = config.get("ConfigMap", ROOT_NAMESPACE, NAME)
    data = dict((resource.body.get("data") if resource else None) or {})
    said = next((document.value for document in documents(str(data.get("mesh") or ""))), None)
    settings: Json = dict(said) if isinstance(said, dict) else {}
    proxies = dict(settings.get("defaultConfig") or {})
    version = hashlib.sha256(msgspec.json.encode(data, order="sorted")).hexdigest()[:12]
    proxies["proxyMetadata"] = {**(proxies.get("proxyMetadata") or {}), MARK: version}
    said_or_default = {"accessLogFile": DEFAULT_FILE, **settings, "defaultConfig": proxies}
    data["mesh"] = msgspec.json.encode(said_or_default).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": ROOT_NAMESPACE},
        "data": data,
    }


def is_settings(body: Json) -> bool:
    return bool(body["kind"] == "ConfigMap" and body["metadata"]["name"] == NAME)


def mark(body: Json) -> str:
    """Of a ConfigMap as `config_map` makes it."""
    return shown(msgspec.json.decode(body["data"]["mesh"], type=dict[str, Any]))


def shown(settings: Mapping[str, Any]) -> str:
    """The mark in a MeshConfig that istiod shows; "" while it has read none of ours."""
    metadata = (settings.get("defaultConfig") or {}).get("proxyMetadata") or {}
    return str(metadata.get(MARK) or "")
