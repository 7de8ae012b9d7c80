"""`metadata`: what people write, and what a cluster adds to an object that was read from it."""

from __future__ import annotations

import msgspec

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, UNREAD, MapOf, Message, Type, later
from mesh.local.schema.report import At
from mesh.local.schema.selectors import EXPORT_TO_ANNOTATION, LABELS

# Annotations of Istio's that the local mesh honours, or that only size or tune a container.
DRY_RUN = "istio.io/dry-run"
STATS_BUCKETS = "sidecar.istio.io/statsHistogramBuckets"
HONOURED = frozenset(
    {"sidecar.istio.io/inject", "inject.istio.io/templates", STATS_BUCKETS, EXPORT_TO_ANNOTATION}
)
_BUCKETS = msgspec.json.Decoder(dict[str, list[float]])
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
        elif name == STATS_BUCKETS:
            _buckets(metadata["annotations"][name], at / "annotations" / name)
        elif istio and name not in HONOURED and not name.startswith(_MEANINGLESS):
            place = at / "annotations" / name
            place.error(f"valid Istio, not supported on the laptop: {at.resource} annotation {name}")


def _ambient_labels(metadata: Json, at: At) -> None:
    """Labels that take an object out of the sidecars' mesh must not be skipped either."""
    labels = metadata.get("labels") or {}
    if labels.get("istio.io/dataplane-mode", "none") != "none":
        (at / "labels" / "istio.io/dataplane-mode").unsupported("every pod of the mesh has a sidecar")
    if labels.get("istio.io/use-waypoint", "none") != "none":
        (at / "labels" / "istio.io/use-waypoint").unsupported("there are no waypoints")


def _buckets(text: str, at: At) -> None:
    """`{"istiocustom": [1, 5, 10]}`: rising edges by the beginning of a histogram's name."""
    try:
        found = _BUCKETS.decode(text)
    except msgspec.DecodeError as error:
        at.error(f"is no JSON object of lists of numbers: {error}")
        return
    for prefix, edges in found.items():
        if not prefix or not edges or edges != sorted(set(edges)) or edges[0] <= 0:
            at.error(f'the edges of "{prefix}" must be positive and rise')


METADATA_FIELDS: dict[str, Type] = {
    "name": ANY_TEXT,  # judged with the envelope
    "namespace": ANY_TEXT,
    "generateName": later(ANY_TEXT, "give it a name"),
    "labels": LABELS,
    "annotations": MapOf(ANY_TEXT),
    **dict.fromkeys(_SERVER_SIDE, UNREAD),
}
METADATA = Message(METADATA_FIELDS, rules=[_known_annotations, _ambient_labels])


def whole(fields: dict[str, Type], *, required: tuple[str, ...] = ()) -> Message:
    """The schema of a whole object from what stands beside its envelope."""
    envelope: dict[str, Type] = {
        "apiVersion": ANY_TEXT,
        "kind": ANY_TEXT,
        "metadata": METADATA,
        "status": UNREAD,
    }
    return Message({**envelope, **fields}, required=("metadata", *required))
