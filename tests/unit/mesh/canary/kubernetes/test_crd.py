"""The definition that the chart has is made of the schema that the controller reads by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from mesh.canary.kubernetes import crd
from mesh.canary.kubernetes.standing import Status, kept, plain
from mesh.canary.runs.rollout import Rollout, Spec

Json = dict[str, Any]


def whole() -> Json:
    [version] = crd.definition()["spec"]["versions"]
    schema: Json = version["schema"]["openAPIV3Schema"]
    return schema


def parts(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from parts(value, f"{path}.{name}")
    if "items" in schema:
        yield from parts(schema["items"], f"{path}[]")


def test_the_file_of_the_chart_is_current(repository: Path) -> None:
    assert (repository / crd.FILE).read_text() == crd.text(), "run `make crd`"


def test_every_field_that_the_reader_knows_is_there_and_no_other() -> None:
    properties = whole()["properties"]
    assert set(properties["spec"]["properties"]) == set(Spec.__struct_encode_fields__)
    assert set(properties["status"]["properties"]) == set(Status.__struct_encode_fields__)
    assert set(properties) == {"status", *Rollout.__struct_encode_fields__}


def test_the_schema_is_structural() -> None:
    for path, part in parts(whole()):
        assert isinstance(part["type"], str), path
        assert not {"$ref", "oneOf", "default", "title"} & set(part), path
        assert part.get("additionalProperties") is not False, path
        for bound in ("exclusiveMinimum", "exclusiveMaximum"):
            assert part.get(bound, True) is True, path


@pytest.mark.parametrize("one", ["links"])
def test_the_rollouts_of_this_repository_are_of_the_kind(repository: Path, one: str) -> None:
    document = yaml.safe_load((repository / f"mesh/canary/rollouts/{one}.yaml").read_text())
    # In OpenAPI 3.0 exclusive bounds are flags, as they were in Draft 4.
    jsonschema.Draft4Validator(whole()).validate(document)


def test_gates_of_all_types_are_one_object() -> None:
    gates = whole()["properties"]["spec"]["properties"]["gates"]["items"]
    assert gates["properties"]["type"]["enum"] == ["manual", "webhook", "query", "window"]
    assert set(gates["required"]) == {"type", "name", "at"}
    said = {rule["message"]: rule["rule"] for rule in gates["x-kubernetes-validations"]}
    assert said["url is missing: webhook needs it"] == "self.type != 'webhook' || has(self.url)"
    assert said["expression is for query only"] == "!has(self.expression) || self.type in ['query']"
    assert {message for message in said if "missing" in message} == {
        "url is missing: webhook needs it",
        "expression is missing: query needs it",
        "from is missing: window needs it",
        "until is missing: window needs it",
    }


def test_a_schema_without_such_a_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a type"):
        crd.structural({"description": "anything"}, {})


def test_a_status_comes_back_from_the_server_as_it_was_written() -> None:
    written = plain(Status(phase="stepping", weight=5, taken=("a",)))
    server = {name: value for name, value in written.items() if value is not None}
    assert kept(json.loads(json.dumps(server))) == json.loads(json.dumps(written))
