"""Deployment, ReplicaSet, DaemonSet, StatefulSet and Pod."""

from __future__ import annotations

import re
from typing import Any

from mesh.local.model import Json
from mesh.local.schema.kubernetes.pod import CLAIMING_TEMPLATE, POD_SPEC, POD_TEMPLATE, mounts_known_volumes
from mesh.local.schema.kubernetes.volume import QUANTITY
from mesh.local.schema.language import (
    ANY_TEXT,
    UNREAD,
    Enum,
    Int,
    ListOf,
    MapOf,
    Message,
    Type,
    described,
    later,
)
from mesh.local.schema.metadata import METADATA, whole
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABEL_SELECTOR, fits
from mesh.local.schema.text import DNS_LABEL, OBJECT_NAME

COUNT = Int(0, 2**31 - 1)
_PERCENT = re.compile(r"(?:100|[0-9]{1,2})%", re.ASCII)


class Share:
    """A number of pods, or a percentage of them."""

    def check(self, value: Any, at: At) -> None:
        if type(value) is int:
            COUNT.check(value, at)
        elif type(value) is not str or not _PERCENT.fullmatch(value):
            at.misshapen(f"must be a number or a percentage such as 25%, not {described(value)}")


class Off:
    """A switch that a laptop has only in its usual position."""

    def check(self, value: Any, at: At) -> None:
        if type(value) is not bool:
            at.misshapen(f"must be true or false, not {described(value)}")
        elif value:
            at.unsupported()


def _selects_own_pods(spec: Json, at: At) -> None:
    selector = spec["selector"]
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        (at / "selector").error(f"empty selector is invalid for {at.resource.kind.lower()}")
    elif not fits(selector, labels):
        (at / "template" / "metadata" / "labels").error("`selector` does not match template `labels`")


def _goes_on(spec: Json, at: At) -> None:
    pod, place, kind = spec["template"]["spec"], at / "template" / "spec", at.resource.kind
    if pod.get("restartPolicy", "Always") != "Always":
        (place / "restartPolicy").error(f"a {kind}'s pods are restarted Always")
    if "activeDeadlineSeconds" in pod:
        (place / "activeDeadlineSeconds").error(f"a {kind}'s pods have no end")


def _moves(rolling: Json, at: At) -> None:
    if {str(rolling.get(word, 1)).rstrip("%") for word in ("maxSurge", "maxUnavailable")} == {"0"}:
        (at / "maxUnavailable").error("may not be 0 when maxSurge is 0")


def _rolls_as_it_says(strategy: Json, at: At) -> None:
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" and "rollingUpdate" in strategy:
        (at / "rollingUpdate").error(f"may not be specified when type is {strategy['type']}")


_ROLLING = Message({"maxSurge": Share(), "maxUnavailable": Share()}, rules=[_moves])
_KEPT_PODS: dict[str, Type] = {"selector": LABEL_SELECTOR, "template": POD_TEMPLATE, "minReadySeconds": COUNT}


def _series(fields: dict[str, Type]) -> Message:
    """Pods that are alike, whatever their names."""
    rules = [_selects_own_pods, _goes_on]
    spec = Message({**_KEPT_PODS, **fields}, required=["selector", "template"], rules=rules)
    return whole({"spec": spec}, required=("spec",))


_DEPLOYMENT: dict[str, Type] = {
    "replicas": COUNT,
    "strategy": Message(
        {"type": Enum("RollingUpdate", "Recreate"), "rollingUpdate": _ROLLING}, rules=[_rolls_as_it_says]
    ),
    "revisionHistoryLimit": UNREAD,
    "progressDeadlineSeconds": UNREAD,
    "paused": Off(),
}
DEPLOYMENT = _series(_DEPLOYMENT)
REPLICA_SET = _series({"replicas": COUNT})
_DAEMON_SET: dict[str, Type] = {
    "updateStrategy": Message(
        {"type": Enum("RollingUpdate", later=("OnDelete",)), "rollingUpdate": _ROLLING},
        rules=[_rolls_as_it_says],
    ),
    "revisionHistoryLimit": UNREAD,
}
DAEMON_SET = _series(_DAEMON_SET)

# Space of a laptop: one process on one machine, so that who may use it and from where says nothing here.
_CLAIM: dict[str, Type] = {
    "accessModes": ListOf(
        Enum("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"), least=1
    ),
    "resources": Message({"requests": MapOf(QUANTITY), "limits": MapOf(QUANTITY)}),
    "storageClassName": ANY_TEXT,
    "volumeMode": Enum("Filesystem", later=("Block",)),
    "selector": UNREAD,
    "volumeName": UNREAD,
    "volumeAttributesClassName": UNREAD,
    "dataSource": later(),
    "dataSourceRef": later(),
}
CLAIM_SPEC = Message(_CLAIM, required=["accessModes"])
CLAIM = whole({"spec": CLAIM_SPEC}, required=("spec",))
_CLAIM_TEMPLATE = Message(
    {"apiVersion": ANY_TEXT, "kind": ANY_TEXT, "metadata": METADATA, "spec": CLAIM_SPEC, "status": UNREAD},
    required=["metadata", "spec"],
)


def _mounts(spec: Json, at: At) -> None:
    claims = [claim["metadata"].get("name") for claim in spec.get("volumeClaimTemplates") or []]
    for index, name in enumerate(claims):
        place = at / "volumeClaimTemplates" / index / "metadata" / "name"
        if not name:
            place.error("is required")
        else:
            DNS_LABEL.check(name, place)
    mounts_known_volumes(spec["template"]["spec"], at / "template" / "spec", filter(None, claims))


_RETENTION = Enum("Retain", later=("Delete",))
_STATEFUL_SET: dict[str, Type] = {
    **_KEPT_PODS,
    "template": CLAIMING_TEMPLATE,
    "replicas": COUNT,
    "serviceName": OBJECT_NAME,
    "podManagementPolicy": Enum("OrderedReady", "Parallel"),
    "updateStrategy": Message(
        {
            "type": Enum("RollingUpdate", "OnDelete"),
            "rollingUpdate": Message({"partition": COUNT, "maxUnavailable": later(Share())}),
        },
        rules=[_rolls_as_it_says],
    ),
    "volumeClaimTemplates": ListOf(_CLAIM_TEMPLATE),
    "ordinals": Message({"start": COUNT}),
    "persistentVolumeClaimRetentionPolicy": Message({"whenDeleted": _RETENTION, "whenScaled": _RETENTION}),
    "revisionHistoryLimit": UNREAD,
}
STATEFUL_SET = whole(
    {
        "spec": Message(
            _STATEFUL_SET, required=["selector", "template"], rules=[_selects_own_pods, _goes_on, _mounts]
        )
    },
    required=("spec",),
)
POD = whole({"spec": POD_SPEC}, required=("spec",))
