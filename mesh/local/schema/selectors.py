"""What several kinds share: workload selectors, target references, `exportTo`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, Enum, ListOf, MapOf, Message, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.text import EXPORT_TO, label_key, label_value, selector_key, selector_part

EXPORT_TO_ANNOTATION = "networking.istio.io/exportTo"  # of a Service
LABELS = MapOf(Text(label_value), key=label_key)


def _values_where_they_count(expression: Json, at: At) -> None:
    listed = bool(expression.get("values"))
    if listed != (expression["operator"] in ("In", "NotIn")):
        what = "must not be written with" if listed else "must be written with"
        (at / "values").error(f"{what} {expression['operator']}")


# Of Kubernetes' own kinds; Istio's selectors know labels alone.
LABEL_SELECTOR = Message(
    {
        "matchLabels": LABELS,
        "matchExpressions": ListOf(
            Message(
                {
                    "key": Text(label_key),
                    "operator": Enum("In", "NotIn", "Exists", "DoesNotExist"),
                    "values": ListOf(Text(label_value)),
                },
                required=["key", "operator"],
                rules=[_values_where_they_count],
            )
        ),
    }
)


def fits(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a label selector picks an object with these labels."""
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or [])


_SET = re.compile(r"(\S+)\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL = re.compile(r"([^\s=!]+)\s*(==?|!=)\s*([^\s=!]*)")
_PARTS = re.compile(r",(?![^()]*\))")


def parse(text: str) -> Json:
    """A selector as kubectl takes it on the command line. Raises ValueError."""
    return {"matchExpressions": [_expression(part.strip()) for part in _PARTS.split(text)]}


def _expression(text: str) -> Json:
    if found := _SET.fullmatch(text):
        operator = {"in": "In", "notin": "NotIn"}[found[2]]
        key, values = found[1], [value.strip() for value in found[3].split(",")]
    elif found := _EQUAL.fullmatch(text):
        operator = "NotIn" if found[2] == "!=" else "In"
        key, values = found[1], [found[3]]
    else:
        operator = "DoesNotExist" if text.startswith("!") else "Exists"
        key, values = text.removeprefix("!"), []
    for reason in (label_key(key), *map(label_value, values)):
        if reason is not None:
            raise ValueError(f'"{text}" is no selector: {reason}')
    return {"key": key, "operator": operator, "values": values}


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    return {
        "In": value is not None and value in values,
        "NotIn": value is None or value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


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
