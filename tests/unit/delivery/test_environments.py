"""The environments by reading: what a new policy of mesh/istio needs there; `make deploy-test` makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPONENT = ROOT / "deploy" / "kustomize" / "environment" / "kustomization.yaml"
Json = dict[str, Any]
OWN, GATEWAY = "cluster.local/ns/delinkcious/sa/", "cluster.local/ns/istio-system/sa/ingressgateway"


def kustomizations() -> list[Path]:
    found = [ROOT / "mesh" / "istio" / "Kustomization", ROOT / "mesh" / "splits" / "Kustomization"]
    return found + sorted((ROOT / "deploy").rglob("kustomization.yaml"))


def policies() -> dict[str, Json]:
    documents = yaml.safe_load_all((ROOT / "mesh" / "istio" / "security.yaml").read_text())
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == "AuthorizationPolicy"}


def sources(policy: Json, field: str) -> list[str]:
    return [
        name
        for rule in policy["spec"].get("rules", [])
        for each in rule.get("from", [])
        for name in each["source"].get(field, [])
    ]


@pytest.fixture
def replacements() -> dict[str, list[Json]]:
    """The targets of each setting."""
    found: dict[str, list[Json]] = {}
    for each in yaml.safe_load(COMPONENT.read_text())["replacements"]:
        setting = each["source"]["fieldPath"].removeprefix("data.")
        found.setdefault(setting, []).extend(each["targets"])
    return found


def test_all_that_a_kustomization_names_is_there() -> None:
    assert len(kustomizations()) > 15
    for path in kustomizations():
        body = yaml.safe_load(path.read_text())
        for name in [*body.get("resources", []), *body.get("components", [])]:
            target = path.parent / name
            assert (
                target.is_file()
                or (target / "kustomization.yaml").is_file()
                or (target / "Kustomization").is_file()
            ), f"{path}: {name}"
            # A file from elsewhere is refused by kustomize; a folder with a kustomization of its own is not.
            assert target.is_dir() or target.resolve().parent == path.parent.resolve()
        for chart in body.get("helmCharts", []):
            home = path.parent / body["helmGlobals"]["chartHome"]
            assert (home / chart["name"] / "Chart.yaml").is_file()
            assert (path.parent / chart["valuesFile"]).is_file()


@pytest.mark.parametrize("folder", ["istio", "splits"])
def test_a_kustomization_names_every_file_of_its_folder(folder: str) -> None:
    path = ROOT / "mesh" / folder / "Kustomization"
    assert sorted(yaml.safe_load(path.read_text())["resources"]) == sorted(
        each.name for each in path.parent.glob("*.yaml")
    )
    # With that ending `kubectl apply -f` of the folder would take it for a resource, and fail.
    assert not (path.parent / "kustomization.yaml").exists()


def test_every_caller_gets_its_environments_namespace(replacements: dict[str, list[Json]]) -> None:
    targets = [each for each in replacements["namespace"] if "principals" in str(each["fieldPaths"])]
    every, *single = targets
    passed_over = {each["name"] for each in every["reject"]}
    assert every["select"] == {"kind": "AuthorizationPolicy"}
    by_place = {(each["select"]["name"], int(each["fieldPaths"][0].rpartition(".")[2])) for each in single}
    for name, policy in policies().items():
        principals = sources(policy, "principals")
        own = [place for place, each in enumerate(principals) if each.startswith(OWN)]
        assert len(own) + principals.count(GATEWAY) == len(principals), name
        if own and len(own) == len(principals):
            assert name not in passed_over, f"{COMPONENT}: {name} names callers of its own namespace only"
        else:
            assert name in passed_over, f"{COMPONENT}: {name} names the gateway, or nobody"
            assert {(name, place) for place in own} == {each for each in by_place if each[0] == name}
    assert passed_over <= set(policies())


def test_every_policy_for_users_gets_its_environments_issuer(replacements: dict[str, list[Json]]) -> None:
    named = {each["select"]["name"] for each in replacements["users"]}
    assert named == {name for name, each in policies().items() if sources(each, "requestPrincipals")}


def test_argo_cd_does_not_count_weights_as_differences() -> None:
    spec = yaml.safe_load((ROOT / "deploy/argocd/environment/splits.yaml").read_text())["spec"]
    assert ".spec.http[].route[].weight" in spec["ignoreDifferences"][0]["jqPathExpressions"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    assert spec["syncPolicy"]["automated"]["prune"] is False
