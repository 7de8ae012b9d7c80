"""DestinationRule."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.language import ListOf, Message, Text
from mesh.local.schema.report import At
from mesh.local.schema.selectors import EXPORT_TO_LIST, LABELS, WORKLOAD_SELECTOR, exports_plainly
from mesh.local.schema.text import HOST, subset_name
from mesh.local.schema.traffic_policy import TRAFFIC_POLICY


def _subset_names(spec: Json, at: At) -> None:
    seen: set[str] = set()
    for index, subset in enumerate(spec.get("subsets") or []):
        if subset["name"] in seen:
            (at / "subsets" / index / "name").error(f"duplicate subset names: {subset['name']}")
        seen.add(subset["name"])


def _selector_stays_home(spec: Json, at: At) -> None:
    namespaces = {at.resource.namespace if entry == "." else entry for entry in spec.get("exportTo") or []}
    if "workloadSelector" in spec and namespaces - {at.resource.namespace}:
        message = "destination rule with workload selector cannot have exportTo beyond current namespace"
        (at / "exportTo").error(message)


SPEC = Message(
    {
        "host": HOST,
        "trafficPolicy": TRAFFIC_POLICY,
        "subsets": ListOf(
            Message(
                {"name": Text(subset_name), "labels": LABELS, "trafficPolicy": TRAFFIC_POLICY},
                required=["name"],
            )
        ),
        "exportTo": EXPORT_TO_LIST,
        "workloadSelector": WORKLOAD_SELECTOR,
    },
    required=["host"],
    rules=[_subset_names, _selector_stays_home, exports_plainly],
)
