"""Whole configurations out of the schemas' tables: Istio's kinds and MeshConfig."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

from mesh.local.check import validate
from mesh.local.model import ROOT_NAMESPACE, Json, Resource
from mesh.local.schema.kinds import NETWORKING, SUPPORTED
from mesh.local.schema.language import Message
from mesh.local.schema.mesh_config import MESH_CONFIG
from mesh.local.schema.report import At, Report
from tests.unit.mesh.generated.shapes import CHOICE, NUMBER, UNFIT, Draw, drawn, mended, resource

KINDS = tuple(kind for kind, known in SUPPORTED.items() if "istio.io" in known.api_versions[0])
OFTEN = (*KINDS, "VirtualService", "VirtualService", "DestinationRule")
NAMESPACES = ("default", "default", "istio-system", "other")
OBJECTS = ("edge", "one", "two")
MOST_RESOURCES = 5


def _gateway(namespace: str) -> Resource:
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": ["*"]}]}
    return resource("Gateway", NETWORKING[0], namespace, "edge", {"spec": spec})


def _subsets(namespace: str, host: str) -> Resource:
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2", "v3")]
    spec = {"host": host, "subsets": subsets}
    return resource("DestinationRule", NETWORKING[0], namespace, host, {"spec": spec})


# What others like to refer to; nothing is wrong without it but the reference.
GROUND = (
    *(_gateway(namespace) for namespace in ("default", "istio-system", "other")),
    *(_subsets("default", host) for host in ("reviews", "ratings", "echo", "nobody")),
)


@st.composite
def configurations(draw: st.DrawFn) -> list[Resource]:
    """Some resources, each valid by itself, and sometimes a MeshConfig."""
    ground = GROUND if draw(NUMBER(0, 5)) else ()
    found = {each.key: each for each in ground}
    for _ in range(draw(NUMBER(1, MOST_RESOURCES))):
        made = _istio(draw, draw(CHOICE(OFTEN)))
        if made is not None:
            found[made.key] = made
    if not draw(NUMBER(0, 3)) and (config_map := _mesh_config(draw)):
        found[config_map.key] = config_map
    if draw(NUMBER(0, 7)):
        _settle(list(found.values()))
    return list(found.values())


def _settle(resources: list[Resource]) -> None:
    """Point what refers to nothing, and would be refused, to what is there, or take it out."""
    by_name = {(each.kind, f"{each.namespace}/{each.name}"): each for each in resources}
    for found in validate(resources)[1]:
        path = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", found.field)]
        if found.level != "error" or (path[-1] != "subset" and "gateways" not in path[-2:-1]):
            continue
        holder: Any = by_name[found.kind, found.name].body
        for step in path[:-1]:
            holder = holder[step]
        if path[-1] == "subset":
            del holder["subset"]
        else:
            holder[path[-1]] = "mesh"


def _istio(draw: Draw, kind: str) -> Resource | None:
    known = SUPPORTED[kind]
    schema = known.schema.fields["spec"]
    assert isinstance(schema, Message)
    namespace, name = draw(CHOICE(NAMESPACES)), draw(CHOICE(OBJECTS))
    delegate = kind == "VirtualService" and not draw(NUMBER(0, 5))
    context = resource(
        kind, known.api_versions[0], namespace, name, {"spec": {} if delegate else {"hosts": ["x"]}}
    )
    spec = drawn(draw, schema, (), context)
    if spec is UNFIT:
        return None
    if kind == "VirtualService":
        _bound(draw, spec, delegate)
    whole = resource(kind, known.api_versions[0], namespace, name, {"spec": spec})
    mendable = mended(schema, spec, whole)
    if mendable is UNFIT:
        return None
    return resource(kind, known.api_versions[0], namespace, name, {"spec": mendable})


def _bound(draw: Draw, spec: Json, delegate: bool) -> None:
    """A delegate has neither hosts nor gateways; anything else has a host."""
    if delegate:
        spec.pop("hosts", None)
        spec.pop("gateways", None)
    elif not spec.get("hosts"):
        spec["hosts"] = [draw(CHOICE(("reviews", "a.example.com")))]


def _mesh_config(draw: Draw) -> Resource | None:
    context = resource("ConfigMap", "v1", ROOT_NAMESPACE, "istio", {})
    made = drawn(draw, MESH_CONFIG, (), context)
    if made is UNFIT:
        return None
    return resource("ConfigMap", "v1", ROOT_NAMESPACE, "istio", {"data": {"mesh": json.dumps(made)}})


def refused(each: Resource) -> list[str]:
    """What the schema of its kind has against a resource."""
    report = Report(each)
    SUPPORTED[each.kind].schema.check(each.body, At(report))
    return [str(found) for found in report.findings if found.level == "error"]
