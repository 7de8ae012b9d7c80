"""Deployment and Job."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.kubernetes.pod import POD_TEMPLATE
from mesh.local.schema.language import ANY_TEXT, BOOL, UNREAD, Enum, Int, ListOf, Message, Type, later
from mesh.local.schema.metadata import whole
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS

_COUNT = Int(0, 2**31 - 1)
LABEL_SELECTOR = Message(
    {
        "matchLabels": LABELS,
        "matchExpressions": later(ListOf(Message({"key": ANY_TEXT, "operator": ANY_TEXT, "values": UNREAD}))),
    }
)


def _selects_own_pods(spec: Json, at: At) -> None:
    wanted = spec["selector"].get("matchLabels") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not wanted:
        (at / "selector").error("empty selector is invalid for deployment")
    elif not wanted.items() <= labels.items():
        (at / "template" / "metadata" / "labels").error("`selector` does not match template `labels`")
    if spec["template"]["spec"].get("restartPolicy", "Always") != "Always":
        (at / "template" / "spec" / "restartPolicy").error("a Deployment's pods are restarted Always")


def _ends(spec: Json, at: At) -> None:
    if spec["template"]["spec"].get("restartPolicy", "Always") == "Always":
        (at / "template" / "spec" / "restartPolicy").error("a Job's pods need OnFailure or Never")


_DEPLOYMENT: dict[str, Type] = {
    "replicas": _COUNT,
    "selector": LABEL_SELECTOR,
    "template": POD_TEMPLATE,
    "strategy": UNREAD,
    "minReadySeconds": UNREAD,
    "revisionHistoryLimit": UNREAD,
    "progressDeadlineSeconds": UNREAD,
    "paused": later(BOOL),
}
DEPLOYMENT = whole(
    {"spec": Message(_DEPLOYMENT, required=["selector", "template"], rules=[_selects_own_pods])},
    required=("spec",),
)

_JOB: dict[str, Type] = {
    "template": POD_TEMPLATE,
    "backoffLimit": _COUNT,
    "activeDeadlineSeconds": _COUNT,
    "ttlSecondsAfterFinished": UNREAD,
    "completions": Int(1, 1, "{}: one completion on the laptop"),
    "parallelism": Int(1, 1, "{}: one pod at a time on the laptop"),
    "completionMode": Enum("NonIndexed", later=("Indexed",)),
    "suspend": later(BOOL),
    "manualSelector": later(BOOL),
    "selector": UNREAD,
    "backoffLimitPerIndex": later(),
    "maxFailedIndexes": later(),
    "podFailurePolicy": later(),
    "podReplacementPolicy": later(),
    "successPolicy": later(),
    "managedBy": later(),
}
JOB = whole({"spec": Message(_JOB, required=["template"], rules=[_ends])}, required=("spec",))
