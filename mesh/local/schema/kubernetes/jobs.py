"""Job and CronJob."""

from __future__ import annotations

from mesh.local import schedule
from mesh.local.model import Json
from mesh.local.schema.kubernetes.pod import POD_TEMPLATE
from mesh.local.schema.kubernetes.workloads import COUNT
from mesh.local.schema.language import BOOL, UNREAD, Enum, Message, Text, Type, later
from mesh.local.schema.metadata import METADATA, whole
from mesh.local.schema.report import At

LONGEST_NAME = 52  # of a CronJob: its Jobs' names add eleven characters


def _ends(spec: Json, at: At) -> None:
    if spec["template"]["spec"].get("restartPolicy", "Always") == "Always":
        (at / "template" / "spec" / "restartPolicy").error("a Job's pods need OnFailure or Never")
    if spec.get("completionMode") == "Indexed" and "completions" not in spec:
        (at / "completions").error("is required when completionMode is Indexed")


def _short(body: Json, at: At) -> None:
    if len(at.resource.name) > LONGEST_NAME:
        (at / "metadata" / "name").error(f"must be no more than {LONGEST_NAME} characters")


_JOB: dict[str, Type] = {
    "template": POD_TEMPLATE,
    "backoffLimit": COUNT,
    "activeDeadlineSeconds": COUNT,
    "ttlSecondsAfterFinished": COUNT,
    "completions": COUNT,
    "parallelism": COUNT,
    "completionMode": Enum("NonIndexed", "Indexed"),
    "suspend": BOOL,
    "manualSelector": later(BOOL),
    "selector": UNREAD,
    "backoffLimitPerIndex": later(),
    "maxFailedIndexes": later(),
    "podFailurePolicy": later(),
    "podReplacementPolicy": Enum("TerminatingOrFailed", "Failed"),
    "successPolicy": later(),
    "managedBy": later(),
}
_JOB_SPEC = Message(_JOB, required=["template"], rules=[_ends])
JOB = whole({"spec": _JOB_SPEC}, required=("spec",))
_CRON_JOB: dict[str, Type] = {
    "schedule": Text(schedule.refusal),
    "timeZone": Text(schedule.no_zone),
    "startingDeadlineSeconds": COUNT,
    "concurrencyPolicy": Enum("Allow", "Forbid", "Replace"),
    "suspend": BOOL,
    "successfulJobsHistoryLimit": COUNT,
    "failedJobsHistoryLimit": COUNT,
    "jobTemplate": Message({"metadata": METADATA, "spec": _JOB_SPEC}, required=["spec"]),
}
CRON_JOB = whole({"spec": Message(_CRON_JOB, required=["schedule", "jobTemplate"])}, required=("spec",))
CRON_JOB.rules = [_short]
