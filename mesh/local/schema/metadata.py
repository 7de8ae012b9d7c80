"""`metadata`: what people write, and what a cluster adds to an object that was read from it."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, UNREAD, MapOf, Message, Type, later
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS

# Annotations of Istio's that the local mesh honours, or that only size or tune a container.
DRY_RUN = "istio.io/dry-run"
HONOURED = frozenset({"sidecar.istio.io/inject", "inject.istio.io/templates"})
_MEANINGLESS = (
    "sidecar.istio.io/proxy",
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/componentLogLevel",
    "sidecar.istio.io/status",
    "istio.io/rev",
)
_SERVER_SIDE = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "selfLink",
]


def _known_annotations(metadata: Json, at: At) -> None:
    """An annotation that changes what Istio does must not be skipped."""
    for name in metadata.get("annotations") or {}:
        domain = name.partition("/")[0]
        istio = domain == "istio.io" or domain.endswith(".istio.io")
        if name == DRY_RUN:
            if at.resource.kind != "AuthorizationPolicy":
                message = f"has unsupported annotation {DRY_RUN}, please remove the annotation"
                (at / "annotations" / name).error(message)
        elif istio and name not in HONOURED and not name.startswith(_MEANINGLESS):
            place = at / "annotations" / name
            place.error(f"valid Istio, not supported on the laptop: {at.resource} annotation {name}")


METADATA_FIELDS: dict[str, Type] = {
    "name": ANY_TEXT,  # judged with the envelope
    "namespace": ANY_TEXT,
    "generateName": later(ANY_TEXT, "give it a name"),
    "labels": LABELS,
    "annotations": MapOf(ANY_TEXT),
    **dict.fromkeys(_SERVER_SIDE, UNREAD),
}
METADATA = Message(METADATA_FIELDS, rules=[_known_annotations])


def whole(fields: dict[str, Type], *, required: tuple[str, ...] = ()) -> Message:
    """The schema of a whole object from what stands beside its envelope."""
    envelope: dict[str, Type] = {
        "apiVersion": ANY_TEXT,
        "kind": ANY_TEXT,
        "metadata": METADATA,
        "status": UNREAD,
    }
    return Message({**envelope, **fields}, required=("metadata", *required))
