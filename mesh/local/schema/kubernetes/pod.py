"""The Pod template: containers, probes, volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.kubernetes.probe import LIFECYCLE, PROBE
from mesh.local.schema.kubernetes.volume import (
    FIELD_REF,
    QUANTITY,
    RESOURCE_FIELD_REF,
    VOLUME,
    mount_path,
    relative_path,
)
from mesh.local.schema.language import (
    ANY_TEXT,
    BOOL,
    UNREAD,
    Enum,
    Int,
    ListOf,
    MapOf,
    Message,
    Text,
    Type,
    later,
)
from mesh.local.schema.metadata import METADATA
from mesh.local.schema.report import At
from mesh.local.schema.text import DNS_LABEL, NOT_EMPTY, OBJECT_NAME

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
    "resources",
]
POD_LATER = [
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "readinessGates",
    "resourceClaims",
    "schedulingGates",
    "shareProcessNamespace",
]
CONTAINER_UNREAD = [
    "imagePullPolicy",
    "resizePolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
]
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


def _env_name(text: str) -> str | None:
    return None if _ENV_NAME.fullmatch(text) else f'"{text}" is not a valid environment variable name'


def _port_name(text: str) -> str | None:
    return None if len(text) <= 15 and _PORT_NAME.fullmatch(text) else f'"{text}" is not a valid port name'


def _prefix(text: str) -> str | None:
    return _env_name(text) if text else None


_KEY = Message({"name": NOT_EMPTY, "key": NOT_EMPTY, "optional": BOOL}, required=["name", "key"])
_SOURCE = Message({"name": NOT_EMPTY, "optional": BOOL}, required=["name"])
_SOURCES = ("configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef")


def _one_value(variable: Json, at: At) -> None:
    if "value" in variable and "valueFrom" in variable:
        at.error("may not be specified when `value` is not empty: valueFrom")


def _one_source(source: Json, at: At) -> None:
    if not source:
        at.error("must specify one of: configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef")


ENV = Message(
    {
        "name": Text(_env_name),
        "value": ANY_TEXT,
        "valueFrom": Message(
            {
                "configMapKeyRef": _KEY,
                "secretKeyRef": _KEY,
                "fieldRef": FIELD_REF,
                "resourceFieldRef": RESOURCE_FIELD_REF,
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
    {"prefix": Text(_prefix), "configMapRef": _SOURCE, "secretRef": _SOURCE},
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


_SIZES = MapOf(QUANTITY)
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
                "subPathExpr": Text(relative_path),
            },
            required=["name", "mountPath"],
            one_of=[("subPath", "subPathExpr")],
        )
    ),
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "startupProbe": PROBE,
    "lifecycle": LIFECYCLE,
    "restartPolicy": later(ANY_TEXT),
    "resources": Message({"limits": _SIZES, "requests": _SIZES, "claims": later()}),
    "restartPolicyRules": later(),
    "volumeDevices": later(),
    **dict.fromkeys(CONTAINER_UNREAD, UNREAD),
}
CONTAINER = Message(CONTAINER_FIELDS, required=["name"], rules=[_unique])


def _ends_by_itself(container: Json, at: At) -> None:
    """Only a native sidecar is asked how it is: another init container is waited for until it has ended."""
    if container.get("restartPolicy") != "Always":
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if field in container:
                (at / field).error("an init container has one only with `restartPolicy: Always`")


INIT_CONTAINER = Message(
    {**CONTAINER_FIELDS, "restartPolicy": Enum("Always", later=("OnFailure", "Never"))},
    required=["name"],
    rules=[_unique, _ends_by_itself],
)


def mounts_known_volumes(pod: Json, at: At, claims: Iterable[str] = ()) -> None:
    """`claims` are volumes that the workload adds to its pods."""
    volumes = {*claims, *(volume["name"] for volume in pod.get("volumes") or [])}
    names: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod.get(field) or []):
            place = at / field / index
            if container["name"] in names:
                (place / "name").error(f'duplicate value "{container["name"]}"')
            names.add(container["name"])
            for number, mount in enumerate(container.get("volumeMounts") or []):
                if mount["name"] not in volumes:
                    message = f'no volume is named "{mount["name"]}"'
                    (place / "volumeMounts" / number / "name").error(message)


_POD_FIELDS: dict[str, Type] = {
    "containers": ListOf(CONTAINER, least=1),
    "initContainers": ListOf(INIT_CONTAINER),
    "volumes": ListOf(VOLUME),
    "serviceAccountName": OBJECT_NAME,
    "serviceAccount": OBJECT_NAME,  # the older name
    "hostname": DNS_LABEL,
    "subdomain": DNS_LABEL,
    "activeDeadlineSeconds": Int(1, 2**31 - 1),
    "terminationGracePeriodSeconds": Int(0, 2**31 - 1),
    "restartPolicy": Enum("Always", "OnFailure", "Never"),
    **dict.fromkeys(POD_LATER, later()),
    **dict.fromkeys(POD_UNREAD, UNREAD),
}
POD_SPEC = Message(_POD_FIELDS, required=["containers"], rules=[mounts_known_volumes])
POD_TEMPLATE = Message({"metadata": METADATA, "spec": POD_SPEC}, required=["spec"])
# Of a StatefulSet, which adds volumes of its own and judges what is mounted with them.
CLAIMING_TEMPLATE = Message(
    {"metadata": METADATA, "spec": Message(_POD_FIELDS, required=["containers"])}, required=["spec"]
)
