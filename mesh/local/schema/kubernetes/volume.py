"""Volumes of a Pod, and the paths that may stand in them."""

from __future__ import annotations

import posixpath
from typing import Any

from mesh.local.model import Json
from mesh.local.quantity import quantity
from mesh.local.schema.language import (
    ANY_TEXT,
    BOOL,
    UNREAD,
    Int,
    ListOf,
    Message,
    Text,
    Type,
    described,
    later,
)
from mesh.local.schema.report import At
from mesh.local.schema.text import DNS_LABEL, NOT_EMPTY

VOLUME_LATER = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "image",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]
# A driver that the runner brings itself; others have no meaning without a cluster.
DISCOVERY = "discovery.delinkcious.io"
RESOURCES = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
_MODE = Int(0, 0o777, "{} is not a file mode (0..0777)")


def _own_driver(text: str) -> str | None:
    if text == DISCOVERY:
        return None
    return f"valid on Kubernetes, not supported by the local mesh, whose only driver is {DISCOVERY}"


def relative_path(text: str) -> str | None:
    """A path inside a volume, which must stay there."""
    if not text or text.startswith("/") or ".." in text.split("/"):
        return f'"{text}" must be a relative path without ..'
    return None


def mount_path(text: str) -> str | None:
    if not posixpath.isabs(text) or ".." in text.split("/") or ":" in text:
        return f'"{text}" must be an absolute path without .. and :'
    return None


def _counted(text: str) -> str | None:
    """What the downward API tells of a container's size, as far as a laptop knows it."""
    if text in RESOURCES:
        return None
    return f"valid on Kubernetes, not supported by the local mesh, which knows {', '.join(RESOURCES)}"


class Quantity:
    """Text or a number that says a quantity, such as `64Mi`."""

    def check(self, value: Any, at: At) -> None:
        if type(value) not in (str, int, float):
            at.misshapen(f"must be a quantity, not {described(value)}")
            return
        try:
            quantity(value)
        except ValueError as error:
            at.error(str(error))


QUANTITY = Quantity()
RESOURCE_FIELD_REF = Message(
    {"containerName": ANY_TEXT, "resource": Text(_counted), "divisor": QUANTITY}, required=["resource"]
)
FIELD_REF = Message({"apiVersion": ANY_TEXT, "fieldPath": NOT_EMPTY}, required=["fieldPath"])
_ITEMS = ListOf(
    Message({"key": NOT_EMPTY, "path": Text(relative_path), "mode": _MODE}, required=["key", "path"])
)
_CONFIG_MAP: dict[str, Type] = {"name": NOT_EMPTY, "items": _ITEMS, "defaultMode": _MODE, "optional": BOOL}
_SECRET: dict[str, Type] = {"secretName": NOT_EMPTY, "items": _ITEMS, "defaultMode": _MODE, "optional": BOOL}


def _one_kind_of_volume(volume: Json, at: At) -> None:
    if len(volume) != 2:
        at.error("must specify exactly one volume type")


_DOWNWARD_API = Message(
    {
        "items": ListOf(
            Message(
                {
                    "path": Text(relative_path),
                    "fieldRef": FIELD_REF,
                    "mode": _MODE,
                    "resourceFieldRef": RESOURCE_FIELD_REF,
                },
                required=["path"],
            )
        ),
        "defaultMode": _MODE,
    }
)
_PROJECTION = Message(
    {
        "configMap": Message({"name": NOT_EMPTY, "items": _ITEMS, "optional": BOOL}, required=["name"]),
        "secret": Message({"name": NOT_EMPTY, "items": _ITEMS, "optional": BOOL}, required=["name"]),
        "downwardAPI": _DOWNWARD_API,
        "serviceAccountToken": later(),
        "clusterTrustBundle": later(),
        "podCertificate": later(),
    }
)

VOLUME = Message(
    {
        "name": DNS_LABEL,
        "downwardAPI": _DOWNWARD_API,
        "projected": Message({"sources": ListOf(_PROJECTION), "defaultMode": _MODE}),
        "hostPath": Message({"path": Text(mount_path), "type": UNREAD}, required=["path"]),
        "configMap": Message(_CONFIG_MAP, required=["name"]),
        "secret": Message(_SECRET, required=["secretName"]),
        "csi": Message(
            {"driver": Text(_own_driver), "readOnly": BOOL, "volumeAttributes": UNREAD}, required=["driver"]
        ),
        "persistentVolumeClaim": Message({"claimName": NOT_EMPTY, "readOnly": BOOL}, required=["claimName"]),
        "emptyDir": Message({"medium": UNREAD, "sizeLimit": UNREAD}),
        **dict.fromkeys(VOLUME_LATER, later()),
    },
    required=["name"],
    rules=[_one_kind_of_volume],
)
