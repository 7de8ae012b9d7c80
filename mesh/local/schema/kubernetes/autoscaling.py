"""HorizontalPodAutoscaler."""

from __future__ import annotations

import contextlib
from typing import Any

from mesh.local.model import Json
from mesh.local.quantity import quantity
from mesh.local.schema.kubernetes.volume import QUANTITY, Quantity
from mesh.local.schema.language import ANY_TEXT, Enum, Int, ListOf, Message, Type, described, later
from mesh.local.schema.metadata import whole
from mesh.local.schema.report import At
from mesh.local.schema.text import DNS_LABEL, OBJECT_NAME

LEAST = 1e-9  # Kubernetes knows no smaller quantity
_AT_LEAST_ONE = Int(1, 2**31 - 1)


class Measured:
    """What of a pod is measured on a laptop."""

    def check(self, value: Any, at: At) -> None:
        if type(value) is not str:
            at.misshapen(f"must be text, not {described(value)}")
        elif value not in ("cpu", "memory"):
            at.unsupported(f"the resource {value}: a laptop measures cpu and memory")


class Aim(Quantity):
    """What each pod is to use; the number of pods is divided by it."""

    def check(self, value: Any, at: At) -> None:
        super().check(value, at)
        with contextlib.suppress(ValueError):
            if quantity(value) < LEAST:
                at.error("must be positive")


def _one_target(target: Json, at: At) -> None:
    word = {"Utilization": "averageUtilization", "AverageValue": "averageValue"}[target["type"]]
    if word not in target:
        (at / word).error(f"is required when type is {target['type']}")


_TARGET = Message(
    {
        "type": Enum("Utilization", "AverageValue"),
        "averageUtilization": _AT_LEAST_ONE,
        "averageValue": Aim(),
    },
    required=["type"],
    one_of=[("averageUtilization", "averageValue")],
    rules=[_one_target],
)
_RESOURCE = Message({"name": Measured(), "target": _TARGET}, required=["name", "target"])
_OF_CONTAINER = Message(
    {"name": Measured(), "container": DNS_LABEL, "target": _TARGET}, required=["name", "container", "target"]
)


def _says_its_source(metric: Json, at: At) -> None:
    word = {"Resource": "resource", "ContainerResource": "containerResource"}.get(metric["type"])
    if word is not None and word not in metric:
        (at / word).error(f"is required when type is {metric['type']}")


_METRIC = Message(
    {
        "type": Enum("Resource", later=("ContainerResource", "Pods", "Object", "External")),
        "resource": _RESOURCE,
        "containerResource": later(_OF_CONTAINER),
        "pods": later(),
        "object": later(),
        "external": later(),
    },
    required=["type"],
    rules=[_says_its_source],
)
_RULES = Message(
    {
        "stabilizationWindowSeconds": Int(0, 3600),
        "selectPolicy": Enum("Max", "Min", "Disabled"),
        "tolerance": later(QUANTITY),
        "policies": ListOf(
            Message(
                {"type": Enum("Pods", "Percent"), "value": _AT_LEAST_ONE, "periodSeconds": Int(1, 1800)},
                required=["type", "value", "periodSeconds"],
            ),
            least=1,
        ),
    }
)


def _bounds(spec: Json, at: At) -> None:
    if spec["maxReplicas"] < spec.get("minReplicas", 1):
        (at / "maxReplicas").error("must be greater than or equal to minReplicas")


_SPEC: dict[str, Type] = {
    "scaleTargetRef": Message(
        {
            "apiVersion": ANY_TEXT,
            "kind": Enum("Deployment", "StatefulSet", "ReplicaSet"),
            "name": OBJECT_NAME,
        },
        required=["kind", "name"],
    ),
    "minReplicas": _AT_LEAST_ONE,
    "maxReplicas": _AT_LEAST_ONE,
    "metrics": ListOf(_METRIC),
    "behavior": Message({"scaleUp": _RULES, "scaleDown": _RULES}),
}
AUTOSCALER = whole(
    {"spec": Message(_SPEC, required=["scaleTargetRef", "maxReplicas"], rules=[_bounds])}, required=("spec",)
)
