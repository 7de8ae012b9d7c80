"""The project's own policy and workloads are what this judges first."""

from __future__ import annotations

from pathlib import Path

from mesh.local.check import validate
from mesh.local.resources import load

ROOT = Path(__file__).parents[4]
POLICY = [ROOT / "mesh/istio", ROOT / "mesh/splits"]


def test_the_projects_own_files_have_no_mistake_and_no_doubt() -> None:
    resources = load([*POLICY, ROOT / "helm/local.yaml"])
    _, findings = validate(resources)
    assert {found.kind for found in findings if found.level == "warning"} <= {"Role", "RoleBinding"}
    assert [str(found) for found in findings if found.level == "error"] == []


def test_the_policy_alone_is_valid_before_any_workload_is_known() -> None:
    _, findings = validate(load(POLICY))
    assert findings == []
