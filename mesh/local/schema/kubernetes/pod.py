"""The Pod template: containers, probes, volumes."""

from __future__ import annotations

import posixpath
import re

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.kubernetes.probe import LIFECYCLE, PROBE
from mesh.local.schema.language import ANY_TEXT, BOOL, UNREAD, Enum, Int, ListOf, Message, Text, Type, later
from mesh.local.schema.metadata import METADATA
from mesh.local.schema.report import At
from mesh.local.schema.text import DNS_LABEL, NOT_EMPTY

# Fields that only a cluster can honour; what they say about security, size and place changes nothing here.
POD_UNREAD = [
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostUsers",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "tolerations",
    "topologySpreadConstraints",
    "setHostnameAsFQDN",
    "serviceAccount",
    "activeDeadlineSeconds",
    "resources",
]
POD_LATER = [
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "initContainers",
    "readinessGates",
    "resourceClaims",
    "schedulingGates",
    "shareProcessNamespace",
    "subdomain",
]
CONTAINER_UNREAD = [
    "imagePullPolicy",
    "resources",
    "resizePolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
]
VOLUME_LATER = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "downwardAPI",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_MODE = Int(0, 0o777, "{} is not a file mode (0..0777)")


def _env_name(text: str) -> str | None:
    return None if _ENV_NAME.fullmatch(text) else f'"{text}" is not a valid environment variable name'


def _port_name(text: str) -> str | None:
    return None if len(text) <= 15 and _PORT_NAME.fullmatch(text) else f'"{text}" is not a valid port name'


def relative_path(text: str) -> str | None:
    """A path inside a volume, which must stay there."""
    if not text or text.startswith("/") or ".." in text.split("/"):
        return f'"{text}" must be a relative path without ..'
    return None


def mount_path(text: str) -> str | None:
    if not posixpath.isabs(text) or ".." in text.split("/") or ":" in text:
        return f'"{text}" must be an absolute path without .. and :'
    return None


_KEY = Message({"name": NOT_EMPTY, "key": NOT_EMPTY, "optional": BOOL}, required=["name", "key"])
_FIELD = Message({"apiVersion": ANY_TEXT, "fieldPath": NOT_EMPTY}, required=["fieldPath"])
_SOURCE = Message({"name": NOT_EMPTY, "optional": BOOL}, required=["name"])
_SOURCES = ("configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef")


def _one_value(variable: Json, at: At) -> None:
    if "value" in variable and "valueFrom" in variable:
        at.error("may not be specified when `value` is not empty: valueFrom")


def _one_source(source: Json, at: At) -> None:
    if not source:
        at.error("must specify one of: configMapKeyRef, secretKeyRef, fieldRef")


ENV = Message(
    {
        "name": Text(_env_name),
        "value": ANY_TEXT,
        "valueFrom": Message(
            {
                "configMapKeyRef": _KEY,
                "secretKeyRef": _KEY,
                "fieldRef": _FIELD,
                "resourceFieldRef": later(),
                "fileKeyRef": later(),
            },
            one_of=[_SOURCES],
            rules=[_one_source],
        ),
    },
    required=["name"],
    rules=[_one_value],
)
ENV_FROM = Message(
    {"prefix": ANY_TEXT, "configMapRef": _SOURCE, "secretRef": _SOURCE},
    one_of=[("configMapRef", "secretRef")],
)


def _unique(container: Json, at: At) -> None:
    for field, key in (("ports", "name"), ("volumeMounts", "mountPath")):
        seen: set[str] = set()
        for index, entry in enumerate(container.get(field) or []):
            name = entry.get(key)
            if name is not None and name in seen:
                (at / field / index / key).error(f'duplicate value "{name}"')
            seen.add(name)


CONTAINER_FIELDS: dict[str, Type] = {
    "name": DNS_LABEL,
    "image": ANY_TEXT,
    "command": ListOf(ANY_TEXT),
    "args": ListOf(ANY_TEXT),
    "workingDir": ANY_TEXT,
    "env": ListOf(ENV),
    "envFrom": ListOf(ENV_FROM),
    "ports": ListOf(
        Message(
            {
                "name": Text(_port_name),
                "containerPort": PORT,
                "protocol": Enum("TCP", later=("UDP", "SCTP")),
                "hostPort": later(PORT),
                "hostIP": later(ANY_TEXT),
            },
            required=["containerPort"],
        )
    ),
    "volumeMounts": ListOf(
        Message(
            {
                "name": NOT_EMPTY,
                "mountPath": Text(mount_path),
                "subPath": Text(relative_path),
                "readOnly": BOOL,
                "recursiveReadOnly": UNREAD,
                "mountPropagation": UNREAD,
                "subPathExpr": later(ANY_TEXT),
            },
            required=["name", "mountPath"],
        )
    ),
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "startupProbe": PROBE,
    "lifecycle": LIFECYCLE,
    "restartPolicy": later(ANY_TEXT),
    "restartPolicyRules": later(),
    "volumeDevices": later(),
    **dict.fromkeys(CONTAINER_UNREAD, UNREAD),
}
CONTAINER = Message(CONTAINER_FIELDS, required=["name"], rules=[_unique])

_ITEMS = ListOf(
    Message({"key": NOT_EMPTY, "path": Text(relative_path), "mode": _MODE}, required=["key", "path"])
)
_CONFIG_MAP: dict[str, Type] = {"name": NOT_EMPTY, "items": _ITEMS, "defaultMode": _MODE, "optional": BOOL}
_SECRET: dict[str, Type] = {"secretName": NOT_EMPTY, "items": _ITEMS, "defaultMode": _MODE, "optional": BOOL}


def _one_kind_of_volume(volume: Json, at: At) -> None:
    if len(volume) != 2:
        at.error("must specify exactly one volume type")


VOLUME = Message(
    {
        "name": DNS_LABEL,
        "configMap": Message(_CONFIG_MAP, required=["name"]),
        "secret": Message(_SECRET, required=["secretName"]),
        "emptyDir": Message({"medium": UNREAD, "sizeLimit": UNREAD}),
        **dict.fromkeys(VOLUME_LATER, later()),
    },
    required=["name"],
    rules=[_one_kind_of_volume],
)


def _mounts_known_volumes(pod: Json, at: At) -> None:
    volumes = {volume["name"] for volume in pod.get("volumes") or []}
    for index, container in enumerate(pod["containers"]):
        for number, mount in enumerate(container.get("volumeMounts") or []):
            if mount["name"] not in volumes:
                place = at / "containers" / index / "volumeMounts" / number / "name"
                place.error(f'no volume is named "{mount["name"]}"')
    if len(pod["containers"]) > 1:
        (at / "containers" / 1).unsupported("one container in a pod")


POD_SPEC = Message(
    {
        "containers": ListOf(CONTAINER, least=1),
        "volumes": ListOf(VOLUME),
        "serviceAccountName": ANY_TEXT,
        "terminationGracePeriodSeconds": Int(0, 2**31 - 1),
        "restartPolicy": Enum("Always", "OnFailure", "Never"),
        **dict.fromkeys(POD_LATER, later()),
        **dict.fromkeys(POD_UNREAD, UNREAD),
    },
    required=["containers"],
    rules=[_mounts_known_volumes],
)
POD_TEMPLATE = Message({"metadata": METADATA, "spec": POD_SPEC}, required=["spec"])
