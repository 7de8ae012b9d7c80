"""The project's own policy and workloads are what this judges first."""

from __future__ import annotations

import json
from pathlib import Path

from mesh.local.check import Judged, validate
from mesh.local.check.messages import MESSAGES, id_of
from mesh.local.resources import load, parse
from tests.mesh.conformance import case, platform

ROOT = Path(__file__).parents[4]
# What Istio's own webhook says of a field, whatever the workloads are.
WEBHOOKS = {"IST0133"}
POLICY = [ROOT / "mesh/istio", ROOT / "mesh/splits"]


def test_the_projects_own_files_have_no_mistake_and_no_doubt() -> None:
    resources = load([*POLICY, ROOT / "helm/local.yaml"])
    _, findings = validate(resources)
    assert {found.kind for found in findings if found.level == "warning"} <= {"Role", "RoleBinding"}
    assert [str(found) for found in findings if found.level == "error"] == []


def test_what_behaves_as_istio_documents_is_seldom_doubted() -> None:
    """The cases of the conformance suite: most are set-ups that people want, and few show a doubtful one."""
    keys = json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})
    values: dict[str, str | int] = {"JWKS": keys, "OTHER_JWKS": keys, "EXTERNAL_IP": "203.0.113.1"}
    values |= dict.fromkeys(("EXTERNAL_HTTP", "EXTERNAL_TLS", "EXTERNAL_TCP"), 8080)
    ground = parse(platform.manifests(platform.load(), platform.Credentials()), "platform.yaml")
    judged = Judged()
    doubted, cases = [], [each for each in case.every() if each.written.requests]
    for each in cases:
        said = parse(each.text(values), "case.yaml")
        mine = {resource.key for resource in said}
        _, findings = validate([*(one for one in ground if one.key not in mine), *said], judged)
        assert {id_of(found) for found in findings} <= MESSAGES.keys()
        own = [found for found in findings if found.file == "case.yaml" and found.id not in WEBHOOKS]
        assert not [str(found) for found in own if found.level == "error"], each.name
        doubted += [each.name] if own else []
    assert len(doubted) < len(cases) / 10, doubted


def test_the_policy_alone_is_valid_before_any_workload_is_known() -> None:
    _, findings = validate(load(POLICY))
    assert findings == []
