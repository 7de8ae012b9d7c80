"""Which environments a checkout has, and what of each is its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from delinkcious import chart, environments, local
from delinkcious.commands.env import env
from delinkcious.environments import NoEnvironment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with an environment `staging`; it is the current folder."""
    for name in ("helm", "mesh/istio", "mesh/splits"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("local", "local-staging"):
        (tmp_path / "helm" / f"{name}.yaml").touch()
    (tmp_path / "mesh" / "splits" / "links.yaml").write_text("weight: 100\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(environments.VARIABLE, raising=False)
    return tmp_path


def test_the_usual_one_is_where_it_has_always_been(checkout: Path) -> None:
    usual = environments.find(checkout)
    assert (usual.name, usual.folder) == ("dev", checkout / ".delinkcious")
    assert usual.manifests == checkout / "helm" / "local.yaml"
    assert usual.splits(usual.folder) == checkout / "mesh" / "splits"


def test_another_has_folder_manifests_and_splits_of_its_own(checkout: Path) -> None:
    staging = environments.find(checkout, "staging")
    assert staging.folder == checkout / ".delinkcious-staging"
    assert staging.manifests == checkout / "helm" / "local-staging.yaml"
    split = staging.splits(staging.folder) / "links.yaml"
    assert split.read_text() == "weight: 100\n"
    split.write_text("weight: 70\n")
    (checkout / "mesh" / "splits" / "web.yaml").touch()
    assert sorted(file.name for file in staging.splits(staging.folder).iterdir()) == [
        "links.yaml",
        "web.yaml",
    ]
    assert split.read_text() == "weight: 70\n"
    assert (checkout / "mesh" / "splits" / "links.yaml").read_text() == "weight: 100\n"


def test_a_variable_chooses_for_every_command_and_a_folder_that_is_named_wins(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environments.VARIABLE, "staging")
    assert local.state().folder == checkout / ".delinkcious-staging"
    assert local.state(environment="dev").folder == checkout / ".delinkcious"
    assert local.state(checkout / "own").folder == checkout / "own"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("production", "values-local-production.yaml and `make render` make one"),
        ("../x", "small letters and digits"),
    ],
)
def test_one_that_is_not_there_is_told_with_those_that_are(checkout: Path, name: str, hint: str) -> None:
    with pytest.raises(NoEnvironment, match="only dev, staging; ") as raised:
        environments.find(checkout, name)
    assert hint in str(raised.value)


def test_the_list_marks_the_chosen_one(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environments.VARIABLE, "staging")
    told = CliRunner().invoke(env, ["list"]).output.splitlines()
    assert [line.split() for line in told] == [
        ["dev", "down", ".delinkcious"],
        ["*", "staging", "down", ".delinkcious-staging"],
    ]


def test_values_lie_over_each_other_as_helms_do() -> None:
    assert chart.over({"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"c": None}, "d": {"e": 1}}) == {
        "a": {"b": 1, "c": None},
        "d": {"e": 1},
    }


@pytest.mark.parametrize("name", chart.environments())
def test_what_an_environment_runs_is_the_chart_with_its_values(name: str) -> None:
    assert chart.rendered(name).read_text() == chart.render_local(name), "run `make render`"
    own = {
        one["metadata"]["name"]: one["spec"]["replicas"]
        for one in yaml.safe_load_all(chart.rendered(name).read_text())
        if one and one["kind"] == "Deployment"
    }
    if name == "staging":
        assert {own[f"{service}-v1"] for service in ("users", "links", "news", "web")} == {2}
