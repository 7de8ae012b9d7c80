"""What a rollout may say, and how it is told what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from mesh.canary.runs.gates import judge_zones
from mesh.canary.runs.rollout import InvalidRollout, parse, read, schema

SCHEMA = Path("mesh/canary/rollouts/schema.json")


NO_ROLLOUTS = {
    "empty": "",
    "list": "- 1",
    "torn": "{",
    "control": "\x00",
    "other kind": "kind: Deployment",
    "no spec": "metadata: {name: a}",
    "no date": "a: 2020-13-45",
    "deep": "[" * 20_000,
}


def document(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "links"}, "spec": {"service": "links", **spec}}


def test_what_is_not_said_has_a_default() -> None:
    spec = parse(document()).spec
    assert (spec.routes, spec.subsets.stable, spec.subsets.canary) == ("links-routes", "v1", "v2")
    settings = spec.settings()
    assert (settings.alpha_rollback, settings.scrape_s, settings.steps) == (0.01, 5.0, None)


def test_mirrored_requests_are_measured_as_all_are_but_by_the_pods_and_of_get() -> None:
    spec = parse(document(slo={"latencyEdgesMs": [100.0], "errorFlags": ["UF"]})).spec
    mirrored = spec.mirrored("shop", "v2", "v1")
    assert (mirrored.reporter, mirrored.method) == ("destination", "GET")
    assert replace(mirrored, reporter="source", method="") == spec.measured("shop", "v2", "v1")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"stepz": [1]}, "spec: Object contains unknown field `stepz`"),
        ({"steps": [5, 3]}, "spec: steps must rise"),
        ({"steps": [2.5]}, "spec: steps[0]: weights are whole percent"),
        ({"steps": [100]}, "spec.steps[0]"),
        ({"steps": []}, "spec.steps"),
        ({"subsets": {"stable": "a", "canary": "a"}}, "subsets.stable and subsets.canary must differ"),
        ({"service": "Links"}, "spec.service"),
        ({"gates": [{"type": "oracle"}]}, "spec.gates[0].type"),
        ({"gates": [{"type": "manual", "name": "a", "at": "noon"}]}, "spec.gates[0].at"),
        ({"gates": [{"type": "manual", "name": "a", "at": "start"}] * 2}, "two gates have one name"),
        ({"gates": [{"type": "webhook", "name": "a", "at": "start", "url": "file:///etc"}]}, "gates[0].url"),
        ({"slo": {"errorRate": 0}}, "spec.slo.errorRate"),
        ({"slo": {"latencyEdgesMs": [50, 10]}}, "spec: latency_edges_ms must rise"),
        ({"analysis": {"scrapeIntervalS": "5s"}}, "spec.analysis.scrapeIntervalS"),
        ({"pods": {"least": 3, "most": 2}}, "pods.least is more than pods.most"),
        ({"inconclusive": "promote"}, "spec.inconclusive"),
        ({"header": {"name": "X Y", "value": "1"}}, "spec.header.name"),
        ({"mirror": {"percent": 101}}, "spec.mirror.percent"),
        ({"strategy": "blueGreen"}, "say mirror as well"),
        ({"affinity": {}, "analysis": {}}, "affinity: the errors of one person come together"),
        ({"affinity": {"cookie": "a b"}}, "spec.affinity.cookie"),
        ({"load": {}}, "spec.load: Object missing required field `deployment`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRollout) as caught:
        parse(document(**spec))
    assert told in str(caught.value)


@pytest.mark.parametrize("text", NO_ROLLOUTS.values(), ids=NO_ROLLOUTS)
def test_what_is_no_rollout_names_its_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rollout.yaml"
    file.write_text(text)
    with pytest.raises(InvalidRollout, match=str(file)):
        read(file)


def test_an_unknown_time_zone_is_refused() -> None:
    window = {"type": "window", "name": "w", "at": "start", "from": "08:00", "until": "18:00"}
    judge_zones(parse(document(gates=[window])).spec.gates)
    wrong = parse(document(gates=[{**window, "timeZone": "Mars/Olympus"}]))
    with pytest.raises(InvalidRollout, match=r"gates\[0\].timeZone: 'Mars/Olympus' is no time zone"):
        judge_zones(wrong.spec.gates)


def test_the_schema_in_the_repository_is_the_kinds() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(schema()))


@pytest.mark.parametrize(
    "file", sorted(Path("mesh/canary/rollouts").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_rollouts_in_the_repository_are_right(file: Path) -> None:
    assert read(file).metadata.name == file.stem
    jsonschema.validate(yaml.safe_load(file.read_text()), schema())


def test_the_schema_refuses_what_is_unknown() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document(stepz=1), schema())
