"""`mesh check` as people, hooks and pipelines call it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from delinkcious.commands.mesh import mesh

ROOT = Path(__file__).parents[3]
GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: NAME }\n"
BAD = "apiVersion: v1\nkind: Nothing\nmetadata: { name: a }\n"
DOUBTFUL = """apiVersion: v1
kind: Service
metadata: { name: a }
spec: { selector: { app: a }, ports: [{ port: 80, name: http }] }
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(mesh, ["check", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD.replace("NAME", "a"))
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/b.yaml").write_text(GOOD.replace("NAME", "b"))
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/c.yaml").write_text(BAD)
    return tmp_path


def test_a_folder_is_judged_alone_or_with_all_below_it(folder: Path) -> None:
    assert run("-f", ".").output == "1 object is right.\n"
    assert run("-R", "-f", ".").output == "2 objects are right.\n"
    assert run("-R", "-f", ".", "-f", "a.yaml", "-f", str(folder / "deep/er/b.yaml")).output == (
        "2 objects are right.\n"
    )


def test_every_file_is_read_before_anything_is_said(folder: Path) -> None:
    (folder / "empty.yaml").write_text("")
    (folder / "torn.yaml").write_text("a: [\n")
    done = run("-f", ".", "-f", "none.yaml", "-o", "json")
    assert done.exit_code == 1
    assert {one["file"] for one in json.loads(done.stdout)} == {"empty.yaml", "torn.yaml", "none.yaml"}


def test_warnings_fail_where_they_are_asked_to(folder: Path) -> None:
    (folder / "a.yaml").write_text(DOUBTFUL)
    done = run("-f", ".")
    assert (done.exit_code, "1 object is right, with 1 warning." in done.output) == (0, True)
    assert "a.yaml:4: warning: Service default/a: spec.selector: selects no workload: app=a" in done.output
    assert "[DM0103]" in done.output
    done = run("-f", ".", "--fail-on", "warning")
    assert (done.exit_code, "right" in done.output) == (1, False)


HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_the_hooks_of_pre_commit_run_as_they_are_written(folder: Path, hook: dict[str, Any]) -> None:
    words = shlex.split(str(hook["entry"])) + list(map(str, hook["args"]))
    command = words[2:]
    assert (words[:2], hook["pass_filenames"]) == (["delinkcious", "mesh"], False)
    assert CliRunner().invoke(mesh, command).exit_code == 0
    (folder / "deep/er/b.yaml").write_text(BAD)
    assert CliRunner().invoke(mesh, command).exit_code == 1


def test_sarif_holds_what_the_text_says(folder: Path) -> None:
    (folder / "a.yaml").write_text(BAD)
    told = json.loads(run("-f", ".", "-o", "sarif").stdout)
    [result] = told["runs"][0]["results"]
    assert result["ruleId"] == "IST0106" and result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a.yaml"


def test_keys_are_fetched_only_when_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def failures(_: object, uris: set[str]) -> dict[str, str]:
        asked.extend(uris)
        return dict.fromkeys(uris, "answered 404")

    monkeypatch.setattr("mesh.local.runtime.fetching.failures", failures)
    rules = "[{ issuer: i, jwksUri: 'https://i.example/keys' }]"
    (folder / "a.yaml").write_text(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: { name: a }\n"
        f"spec:\n  jwtRules: {rules}\n"
    )
    assert run("-f", ".").exit_code == 0 and not asked
    done = run("-f", ".", "--online")
    assert asked == ["https://i.example/keys"]
    assert "a.yaml:5: warning:" in done.output and "no keys come from there: answered 404" in done.output


def test_dns_is_asked_for_names_only_when_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def addresses(names: set[str]) -> dict[str, list[str]]:
        asked.extend(sorted(names))
        return {"api.example.com": ["10.0.0.1", "127.20.128.5"]}

    monkeypatch.setattr("mesh.local.runtime.resolving.addresses", addresses)
    (folder / "a.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: a }\n"
        "spec:\n  hosts: [named.example.com]\n  resolution: DNS\n"
        "  ports: [{ number: 80, name: http, protocol: HTTP }]\n"
        "  endpoints: [{ address: 10.0.0.1 }, { address: api.example.com }]\n"
    )
    assert run("-f", ".").exit_code == 0 and not asked
    done = run("-f", ".", "--online")
    assert asked == ["api.example.com"]
    assert (
        "a.yaml:8: warning: ServiceEntry default/a: spec.endpoints[1].address: DNS has 127.20.128.5"
        in done.output
    )
    assert "[DM0118]" in done.output
