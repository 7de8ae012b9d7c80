"""What a resource by itself may not say, and what it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.local.model import Finding
from mesh.local.resources import parse
from mesh.local.schema import judge
from tests.unit.mesh.cases import Case, read, unmet

HERE = Path(__file__).parent
REFUSED = read(HERE / "refused")
ACCEPTED = read(HERE / "accepted")


def judged(case: Case) -> list[Finding]:
    return [found for resource in parse(case.text, "case.yaml") for found in judge(resource)]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_refusal_names_file_line_kind_name_and_field(case: Case) -> None:
    findings = judged(case)
    assert unmet(case, findings, "error") == []
    for found in findings:
        resource = parse(case.text, "case.yaml")[0]
        name = f"{resource.namespace}/{resource.name}" if resource.namespace else resource.name
        assert (found.file, found.kind, found.name) == ("case.yaml", resource.kind, name)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_istio_accepts_and_the_laptop_implements_is_accepted(case: Case) -> None:
    findings = judged(case)
    assert unmet(case, findings, "error") == []
    assert unmet(case, findings, "warning") == []


def test_the_refusals_are_many_enough_to_trust() -> None:
    assert len(REFUSED) >= 120
    assert all(case.expected for case in REFUSED)
