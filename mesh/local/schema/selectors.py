"""What several kinds share: workload selectors, target references, `exportTo`."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, ListOf, MapOf, Message, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.text import EXPORT_TO, label_key, label_value, selector_key, selector_part

EXPORT_TO_ANNOTATION = "networking.istio.io/exportTo"  # of a Service
LABELS = MapOf(Text(label_value), key=label_key)


def _selects_by_labels(selector: Json, at: At) -> None:
    if not selector.get("matchLabels"):
        at.warning("workload selector specified without labels: it selects every workload")


# `labels`, as the selectors of ServiceEntries and Sidecars have them.
SELECTED_LABELS = MapOf(Text(selector_part), key=selector_key)
WORKLOAD_SELECTOR = Message(
    {"matchLabels": MapOf(Text(selector_part), key=selector_key)}, rules=[_selects_by_labels]
)
_TARGET = Message(
    {"group": ANY_TEXT, "kind": ANY_TEXT, "name": ANY_TEXT, "namespace": ANY_TEXT}, required=["kind", "name"]
)
TARGET_REF = later(_TARGET, "there are no waypoints and no Gateway API")
TARGET_REFS = later(ListOf(_TARGET, most=16), "there are no waypoints and no Gateway API")
ONE_SELECTOR = ("selector", "targetRef", "targetRefs")

EXPORT_TO_LIST = ListOf(EXPORT_TO)


def exports_plainly(spec: Json, at: At) -> None:
    """`exportTo` names each namespace once, and nothing beside `*`."""
    seen: set[str] = set()
    entries = spec.get("exportTo") or []
    place = at / "exportTo"
    for index, entry in enumerate(entries):
        namespace = at.resource.namespace if entry == "." else entry
        if namespace in seen:
            both = namespace == at.resource.namespace and {".", namespace} <= set(entries)
            (place / index).error(
                f"duplicate entries in exportTo: . and current namespace {namespace}"
                if both
                else f"duplicate entries in exportTo for entry {entry}"
            )
        seen.add(namespace)
    if "*" in entries and len(entries) > 1:
        place.error("cannot have both public (*) and non-public exportTo values for a resource")
