"""`python -m mesh.canary.kubernetes.crd FILE`: the definition of the kind Rollout, made of its schema.

Kubernetes takes structural schemas only: no references, no null beside a type, one object where the kind has
several that its `type` tells apart. Defaults are left out, since the reader has them: what is stored follows
when one of them changes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mesh.canary.kubernetes.standing import Status
from mesh.canary.runs.rollout import schema

Json = dict[str, Any]
FILE = Path("helm") / "delinkcious" / "crds" / "rollouts.yaml"
GROUP, VERSION = "delinkcious.io", "v1alpha1"
HEADER = "# Made of the kind's schema by `make crd`; do not edit.\n"
COLUMNS = (
    ("Phase", "string", ".status.phase"),
    ("Weight", "integer", ".status.weight"),
    ("Verdict", "string", ".status.verdict"),
    ("Wealth", "number", ".status.wealth"),
    ("Run", "string", ".status.run"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
_LEFT_OUT = ("title", "default", "$schema", "$defs", "discriminator")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def definition() -> Json:
    """The whole object."""
    names = {"kind": "Rollout", "listKind": "RolloutList", "plural": "rollouts", "singular": "rollout"}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _whole()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path} for name, kind, path in COLUMNS
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"rollouts.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def text() -> str:
    """As the chart has it."""
    return HEADER + yaml.safe_dump(definition(), sort_keys=False, width=110)


def _whole() -> Json:
    kind = schema()
    definitions = kind["$defs"]
    rollout = definitions["Rollout"]
    own = msgspec.json.schema(Status)
    return {
        "type": "object",
        "description": rollout["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {"name": definitions["Metadata"]["properties"]["name"]},
            },
            "spec": structural(rollout["properties"]["spec"], definitions),
            "status": structural(own, own["$defs"]),
        },
    }


def structural(part: Json, definitions: Json) -> Json:
    """The same in what Kubernetes takes of OpenAPI. Raises ValueError for what has no such form."""
    if "$ref" in part:
        return structural(definitions[part["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in part:
        return _one_of(part, definitions)
    made = {name: value for name, value in part.items() if name not in _LEFT_OUT}
    if not made.get("required", True):
        del made["required"]
    if "description" in made:
        made["description"] = " ".join(made["description"].split())
    if "enum" in made and "type" not in made:
        made["type"] = _TYPES[type(made["enum"][0])]
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in made:
            made[limit], made[bound] = made[bound], True
    if made.get("additionalProperties") is False:
        del made["additionalProperties"]  # unknown fields are refused by strict validation, or else dropped
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = structural(made["additionalProperties"], definitions)
    if "properties" in made:
        made["properties"] = {
            name: structural(value, definitions) for name, value in made["properties"].items()
        }
    if "items" in made:
        made["items"] = structural(made["items"], definitions)
    if "type" not in made:
        raise ValueError(f"a schema without a type: {part}")
    return made


def _one_of(part: Json, definitions: Json) -> Json:
    kinds = [one for one in part["anyOf"] if one != {"type": "null"}]
    nullable = {"nullable": True} if len(kinds) < len(part["anyOf"]) else {}
    if len(kinds) == 1:
        return structural(kinds[0], definitions) | nullable
    return _told_apart([structural(kind, definitions) for kind in kinds]) | nullable


def _told_apart(kinds: list[Json]) -> Json:
    """Objects that their `type` tells apart, as one with the fields of all; rules say whose they are."""
    by_tag = {str(kind["properties"]["type"]["enum"][0]): kind for kind in kinds}
    properties: Json = {}
    for kind in kinds:
        for name, value in kind["properties"].items():
            if properties.setdefault(name, value) != value and name != "type":
                raise ValueError(f"two kinds of one union have different fields {name}")
    properties["type"] = {"type": "string", "enum": list(by_tag)}
    common = [name for name in kinds[0]["required"] if all(name in kind["required"] for kind in kinds)]
    return {
        "type": "object",
        "properties": properties,
        "required": common,
        "x-kubernetes-validations": [*_demands(by_tag, common), *_owners(by_tag, properties)],
    }


def _demands(by_tag: dict[str, Json], common: list[str]) -> Iterator[Json]:
    for tag, kind in by_tag.items():
        for name in kind["required"]:
            if name not in common:
                yield {
                    "rule": f"self.type != '{tag}' || has(self.{name})",
                    "message": f"{name} is missing: {tag} needs it",
                }


def _owners(by_tag: dict[str, Json], properties: Json) -> Iterator[Json]:
    for name in properties:
        tags = [tag for tag, kind in by_tag.items() if name in kind["properties"]]
        if len(tags) < len(by_tag):
            yield {
                "rule": f"!has(self.{name}) || self.type in {tags}",
                "message": f"{name} is for {', '.join(tags)} only",
            }


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text())
