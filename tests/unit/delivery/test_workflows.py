"""The workflows by GitHub's schemas, and by what those do not know: pins, rights, scripts that are there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
Json = dict[str, Any]
# What somebody from outside may write; as part of a script it would be run.
UNTRUSTED = re.compile(r"\$\{\{")
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40}")
MAKE = re.compile(r"\bmake ((?:[\w./-]+ ?)+)")
SCRIPT = re.compile(r"\b(?:bash|sh|python3?) ((?:[\w.-]+/)+[\w.-]+\.?\w*)|(?<![\w./-])(\.ci/\w+)")


def loaded(path: Path) -> Json:
    # YAML's `on` is a truth value.
    document: Json = {str(key): value for key, value in yaml.safe_load(path.read_text()).items()}
    document["on"] = document.pop("True")
    return document


def jobs() -> Iterator[tuple[str, Json]]:
    for path in WORKFLOWS:
        for name, job in loaded(path)["jobs"].items():
            yield f"{path.stem}/{name}", job


def steps() -> Iterator[tuple[str, Json]]:
    for name, job in jobs():
        for number, step in enumerate(job.get("steps", [])):
            yield f"{name}[{number}]", step


def scripts() -> Iterator[tuple[str, str]]:
    for name, step in steps():
        if "run" in step:
            yield name, step["run"]


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def test_github_would_take_every_workflow(tmp_path: Path) -> None:
    assert len(WORKFLOWS) == 5
    done = check("--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:"))
    assert check("--builtin-schema", "vendor.github-workflows", str(wrong)).returncode == 1


def test_dependabot_would_take_its_configuration_and_find_its_folders(repository: Path) -> None:
    path = FOLDER / "dependabot.yml"
    assert check("--builtin-schema", "vendor.dependabot", str(path)).returncode == 0
    by_kind = {each["package-ecosystem"]: each for each in yaml.safe_load(path.read_text())["updates"]}
    (folders,) = by_kind["gomod"]["directories"]
    modules = {each.parent for each in repository.rglob("go.mod") if ".venv" not in each.parts}
    assert modules == set(repository.glob(folders.removeprefix("/")))


def test_what_others_made_is_pinned_by_commit_and_tells_its_version() -> None:
    used = 0
    for path in WORKFLOWS:
        for line in path.read_text().splitlines():
            if found := re.search(r"\buses: (\S+)(.*)", line):
                used += 1
                own = found[1].startswith("./")
                assert own or PINNED.fullmatch(found[1]), f"{path.name}: {line}"
                assert own or re.fullmatch(r" # v\d+\.\d+\.\d+", found[2]), f"{path.name}: {line}"
                assert not own or (FOLDER.parent / found[1]).is_file(), line
    assert used > 20


def test_one_action_has_one_version() -> None:
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    versions = dict[str, set[str]]()
    for name, rest in re.findall(r"uses: ([\w./-]+)@(\S+ # \S+)", text):
        versions.setdefault(name, set()).add(rest)
    assert all(len(found) == 1 for found in versions.values()), versions


def test_a_workflow_may_read_and_a_job_says_what_more() -> None:
    for path in WORKFLOWS:
        assert loaded(path)["permissions"] == {"contents": "read"}, path.name
        assert "concurrency" in loaded(path), path.name
    for name, job in jobs():
        writes = {right for right, level in job.get("permissions", {}).items() if level == "write"}
        of_pull_requests = name.split("/")[0] in {"ci", "kind"} or name.endswith(("/try", "/review"))
        assert not (writes and of_pull_requests), name


def test_a_reused_workflow_gets_every_right_that_its_jobs_ask_for() -> None:
    for name, job in jobs():
        if "uses" not in job:
            continue
        for inner, asked in loaded(FOLDER.parent / job["uses"])["jobs"].items():
            assert asked.get("permissions", {}).items() <= job["permissions"].items(), f"{name} -> {inner}"


def test_every_job_ends_by_itself() -> None:
    for name, job in jobs():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 90, name
        assert "uses" in job or job["runs-on"] == "ubuntu-24.04", name


def test_every_job_that_is_waited_for_exists() -> None:
    for path in WORKFLOWS:
        all_jobs = loaded(path)["jobs"]
        for name, job in all_jobs.items():
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            assert set(needs) <= set(all_jobs) - {name}, f"{path.name}: {name}"
            read = set(re.findall(r"needs\.([\w-]+)\.", yaml.safe_dump(job)))
            assert read <= set(needs), f"{path.name}: {name}"


def test_every_output_that_is_read_belongs_to_a_step() -> None:
    for name, job in jobs():
        ids = {step["id"] for step in job.get("steps", []) if "id" in step}
        assert set(re.findall(r"steps\.([\w-]+)\.", yaml.safe_dump(job))) <= ids, name


def test_no_script_holds_what_somebody_else_wrote() -> None:
    for name, script in scripts():
        assert not UNTRUSTED.search(script), f"{name}: give it by `env`"


def test_no_token_stays_in_a_checkout_that_does_not_push() -> None:
    for name, job in jobs():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                pushes = any("git push" in each.get("run", "") for each in job["steps"])
                assert pushes or step["with"]["persist-credentials"] is False, name


def test_what_scripts_call_is_there(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefile, flags=re.M))
    called = 0
    for name, script in scripts():
        for found in MAKE.finditer(script):
            called += 1
            names = {word for word in found[1].split() if not word.isupper()}
            assert names <= targets, f"{name}: make {found[1]}"
        for found in SCRIPT.finditer(script):
            called += 1
            assert (repository / (found[1] or found[2])).is_file(), f"{name}: {found[0]}"
        for module in re.findall(r"python3? -m (deploy[\w.]*)", script):
            called += 1
            assert (repository / f"{module.replace('.', '/')}.py").is_file(), f"{name}: {module}"
    assert called > 10


def test_shellcheck_finds_nothing_in_scripts(repository: Path, tmp_path: Path) -> None:
    files = [*(repository / "deploy").rglob("*.sh"), repository / ".ci" / "run"]
    for number, (name, script) in enumerate(scripts()):
        file = tmp_path / f"{number}.sh"
        file.write_text(f"#!/usr/bin/env bash\n# {name}\n{script}\n")
        files.append(file)
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([program, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "command", ["bash .ci/run", "make chart-test", "make deploy-test", "make image-test"]
)
def test_the_local_twin_runs_what_the_workflow_runs(repository: Path, command: str) -> None:
    assert any(script.strip() == command for _, script in scripts())
    makefile = (repository / "Makefile").read_text()
    (twin,) = re.findall(r"^ci:.*\n((?:\t.*\n)+)", makefile, flags=re.M)
    assert f"\t{command.replace('make', '$(MAKE)')}\n" in twin
