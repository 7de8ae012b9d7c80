"""Where one proxy's configuration lies in its folder, and in which words Envoy reads it.

Shared by the translators, which refer to these files, and by `deliver`, which writes them:

    bootstrap.json  lds.json  cds.json  rds/NAME.json  eds/NAME.json  certs/NAME.json

Envoy watches every file by its own name for being moved into place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import msgspec

from mesh.local.model import Json, Snapshot

BOOTSTRAP = "bootstrap.json"
CLUSTERS = "cds.json"
LISTENERS = "lds.json"

IDENTITY_SECRET = "default"  # noqa: S105
ROOT_SECRET = "ROOTCA"  # noqa: S105

MAX_NAME = 200  # bytes; file systems stop at 255 and a temporary name is longer than the final one

ResourceType = Literal["Cluster", "Listener", "RouteConfiguration", "ClusterLoadAssignment", "Secret"]

TYPE_URLS: Mapping[ResourceType, str] = {
    "Cluster": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "Listener": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "RouteConfiguration": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "ClusterLoadAssignment": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "Secret": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
}


def routes(name: str) -> str:
    """The file of the RouteConfiguration `name`, relative to the proxy's folder."""
    return f"rds/{_safe(name)}.json"


def endpoints(cluster: str) -> str:
    """The file of the ClusterLoadAssignment of `cluster`."""
    return f"eds/{_safe(cluster)}.json"


def secret(name: str) -> str:
    """The file of the SDS secret `name`: `default`, `ROOTCA`, or one of a Gateway's credential."""
    return f"certs/{_safe(name)}.json"


def credential(name: str) -> str:
    """The SDS secret with the certificate and key of a Gateway's `credentialName`."""
    return f"kubernetes://{name}"


def credential_authority(name: str) -> str:
    """The SDS secret with the authority that a Gateway's clients must be certified by."""
    return f"kubernetes://{name}-cacert"


def config_source(folder: Path, file: str) -> Json:
    """A ConfigSource that reads `file`; the resource may come later, so nothing waits in vain for it."""
    return {
        "path_config_source": {"path": str(folder / file)},
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
    }


class Alike:
    """Files of routes that several proxies have alike, of the very same resources: made once for all."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Json, bytes]] = {}

    def routes(self, name: str, resource: Json) -> bytes:
        entry = self._known.get(id(resource))
        if entry is None:
            entry = self._known[id(resource)] = (resource, response("RouteConfiguration", {name: resource}))
        return entry[1]


def contents(
    snapshot: Snapshot, known: Mapping[str, bytes] | None = None, alike: Alike | None = None
) -> dict[str, bytes]:
    """Every xDS file of a snapshot with its bytes; equal resources give equal bytes and versions.

    `known` has the bytes of files that need not be made again.
    """
    files = dict(known or {})
    alike = alike or Alike()
    if CLUSTERS not in files:
        files[CLUSTERS] = response("Cluster", snapshot.clusters)
    if LISTENERS not in files:
        files[LISTENERS] = response("Listener", snapshot.listeners)
    for name, resource in snapshot.routes.items():
        files[routes(name)] = alike.routes(name, resource)
    for name, resource in snapshot.endpoints.items():
        files[endpoints(name)] = response("ClusterLoadAssignment", {name: resource})
    return files


def response(kind: ResourceType, resources: Mapping[str, Json]) -> bytes:
    """A DiscoveryResponse as JSON; its `version_info` is the hash of the resources."""
    body = [{"@type": TYPE_URLS[kind], **resources[name]} for name in sorted(resources)]
    encoded = msgspec.json.encode(body)
    version = hashlib.sha256(encoded).hexdigest()[:16]
    return msgspec.json.encode({"version_info": version, "resources": msgspec.Raw(encoded)})


def version(content: bytes) -> str:
    """The `version_info` of a file of `contents`, as Envoy's admin reports it once in force."""
    return msgspec.json.decode(content, type=_Response).version_info


class _Response(msgspec.Struct):
    version_info: str


def _safe(name: str) -> str:
    quoted = quote(name, safe="")
    if len(quoted) <= MAX_NAME:
        return quoted
    return f"{quoted[: MAX_NAME - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
