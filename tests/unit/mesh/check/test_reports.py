"""Findings as other programs read them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from mesh.local.check import validate
from mesh.local.check.messages import MESSAGES, counts, id_of
from mesh.local.check.reports import as_objects, as_sarif
from mesh.local.model import Finding
from mesh.local.resources import parse
from tests.unit.mesh.cases import read

ROOT = Path(__file__).parents[4]
CASES = read(Path(__file__).parent / "cases")
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}


def _closed(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": True}


# What SARIF 2.1.0 says of the objects and fields that are used (sections 3.13, 3.14, 3.19, 3.27, 3.28, 3.49).
STRING = {"type": "string", "minLength": 1}
RULE = _closed("id", id=STRING, name=STRING, shortDescription=TEXT, helpUri={**STRING, "format": "uri"})
PLACE = _closed(
    "physicalLocation",
    physicalLocation=_closed(
        "artifactLocation region",
        artifactLocation=_closed("uri", uri={**STRING, "pattern": r"^[^\\ ]+$"}),
        region=_closed("startLine", startLine={"type": "integer", "minimum": 1}),
    ),
    logicalLocations=_list(_closed("name", name=STRING, fullyQualifiedName=STRING, kind=STRING)),
)
RESULT = _closed(
    "ruleId ruleIndex level message locations",
    ruleId=STRING,
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["none", "note", "warning", "error"]},
    message=TEXT,
    locations=_list(PLACE),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)
TOOL = _closed("driver", driver=_closed("name", name=STRING, semanticVersion=STRING, rules=_list(RULE)))
RUN = _closed(
    "tool results",
    tool=TOOL,
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
SARIF = {
    **_closed("version runs", version={"const": "2.1.0"}, runs=_list(RUN)),
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}
SARIF["properties"]["$schema"] = STRING


def _found() -> list[Finding]:
    return [found for case in CASES for found in validate(parse(case.text, "a b/case.yaml"))[1]]


def test_sarif_is_as_its_schema_wants_it() -> None:
    told = as_sarif(
        [*_found(), Finding("error", "/nope.yaml", 0, "File", "nope.yaml", "", "is empty")], "1.2"
    )
    jsonschema.validate(told, SARIF)
    rules = told["runs"][0]["tool"]["driver"]["rules"]
    for result in told["runs"][0]["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_names_places_as_code_scanning_reads_them() -> None:
    [found] = validate(parse("apiVersion: v1\nkind: Nothing\nmetadata: { name: a }\n", "a b/c.yaml"))[1]
    [result] = as_sarif([found], "1")["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a%20b/c.yaml"}, "region": {"startLine": 2}}
    [lost] = as_sarif([Finding("error", "/x.yaml", 0, "File", "x", "", "is empty")], "1")["runs"][0][
        "results"
    ]
    assert lost["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///x.yaml"


def test_a_file_s_name_need_not_be_text() -> None:
    name = os.fsdecode(b"bad\xff.yaml")
    told = as_sarif([Finding("error", name, 1, "File", name, "", "is empty")], "1")
    jsonschema.validate(told, SARIF)
    place = told["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "bad%FF.yaml"


def test_a_mistake_keeps_its_fingerprint_when_it_moves_in_its_file() -> None:
    text = "apiVersion: v1\nkind: Nothing\nmetadata: { name: a }\n"
    [one], [other] = (validate(parse(written, "a.yaml"))[1] for written in (text, f"# moved\n{text}"))
    assert one.line != other.line
    prints = [result["partialFingerprints"] for result in as_sarif([one, other], "1")["runs"][0]["results"]]
    assert prints[0] == prints[1]


def test_every_finding_has_a_known_id() -> None:
    found = _found()
    assert {id_of(one) for one in found} <= MESSAGES.keys()
    assert all(one.id for one in found)
    assert all(entry["name"] and entry["level"] for entry in as_objects(found))


def test_every_id_in_the_code_is_explained() -> None:
    files = [*(ROOT / "mesh/local").rglob("*.py")]
    used = {id for file in files for id in re.findall(r'"((?:IST|DM)\d{4})"', file.read_text())}
    assert used == MESSAGES.keys()
    page = (ROOT / "docs/seeing-why.md").read_text()
    assert {id for id in MESSAGES if id not in page} == set()


@pytest.mark.parametrize(("level", "id", "least", "fails"), [
    ("error", "IST0106", "error", True),
    ("warning", "IST0130", "error", False),
    ("warning", "IST0130", "warning", True),
    ("warning", "DM0002", "warning", False),
])  # fmt: skip
def test_what_fails_a_check(level: Any, id: str, least: str, fails: bool) -> None:
    assert counts(Finding(level, "a.yaml", 1, "A", "a", "", "x", id), least) is fails
