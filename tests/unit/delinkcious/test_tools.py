"""Which program is taken for a tool, and what is said of one that will not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from delinkcious.tools import finding, installing, istio
from delinkcious.tools.catalogue import ALL, GO_MODULES, JAEGER, PROMETHEUS, Tool, pinned
from delinkcious.tools.errors import ToolUnavailable
from delinkcious.tools.installing import Report


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH but a shell's programs in `path`, and an empty cache."""
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def place(folder: Path, name: str, printed: str) -> Path:
    """A program that prints a text, whatever it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{printed}'\n")
    program.chmod(0o755)
    return program


def prometheus(version: str) -> str:
    return f"prometheus, version {version} (branch: HEAD, revision: 0)"


def test_a_program_on_path_is_taken_before_the_one_in_the_cache(machine: Path) -> None:
    place(machine / "cache/delinkcious/bin", "prometheus", prometheus("3.9.1"))
    program = place(machine / "path", "prometheus", prometheus("2.53.0"))
    found = finding.find(PROMETHEUS)
    assert found is not None
    assert (found.path, found.version, found.where) == (str(program), "2.53.0", "PATH")


@pytest.mark.parametrize("printed", [prometheus("2.31.2"), "another program"])
def test_what_is_too_old_or_another_program_gives_way_to_the_cache(machine: Path, printed: str) -> None:
    place(machine / "path", "prometheus", printed)
    assert finding.find(PROMETHEUS) is None
    assert "2.42.0 is needed" in finding.too_old(PROMETHEUS)
    kept = place(machine / "cache/delinkcious/bin", "prometheus", prometheus("3.9.1"))
    assert finding.locate("prometheus") == str(kept)


def test_a_jaeger_built_without_a_version_will_do(machine: Path) -> None:
    place(machine / "path", "jaeger", '{"gitCommit":"","gitVersion":"","buildDate":""}')
    found = finding.find(JAEGER)
    assert found is not None
    assert found.version == ""


def test_a_program_that_is_replaced_is_asked_again(machine: Path) -> None:
    place(machine / "path", "prometheus", prometheus("2.31.2"))
    assert finding.find(PROMETHEUS) is None
    place(machine / "path", "prometheus", prometheus("2.53.0 and its name is longer"))
    assert finding.find(PROMETHEUS) is not None


def test_any_other_program_is_the_one_on_path(machine: Path) -> None:
    program = place(machine / "path", "collector", "")
    assert finding.locate("collector") == str(program)
    assert finding.locate("nothing-of-this-name") is None


@pytest.mark.parametrize("tool", ALL.values(), ids=lambda tool: tool.name)
def test_each_tool_has_a_locked_version(tool: Tool) -> None:
    version = pinned(tool)
    assert version.startswith("v")
    assert f"{tool.requirement} {version} h1:" in (GO_MODULES / tool.module / "go.sum").read_text()


def test_what_failed_is_not_tried_again_by_itself_until_its_version_changes(machine: Path) -> None:
    def fails(tool: Tool, cache: Path, report: Report) -> None:
        raise ToolUnavailable("no network")

    tool = JAEGER
    with pytest.raises(ToolUnavailable, match="no network"):
        installing.install(tool, print, fails)
    assert installing.failed(tool) == "no network"
    file = installing.failure(tool)
    file.write_text(file.read_text().replace(pinned(tool), "v0.0.1"))
    assert installing.failed(tool) == ""


def test_what_was_brought_is_forgotten_as_a_failure(machine: Path) -> None:
    def brings(tool: Tool, cache: Path, report: Report) -> None:
        place(cache / "bin", tool.name, '{"gitVersion":"v1.76.0"}')

    installing.failure(JAEGER).parent.mkdir(parents=True)
    installing.failure(JAEGER).write_text(f"{pinned(JAEGER)}\nno network\n")
    assert installing.install(JAEGER, print, brings).version == "1.76.0"
    assert installing.failed(JAEGER) == ""


def go(machine: Path, dir: Path) -> None:
    """A Go that says where it put the module."""
    place(machine / "path", "go", "go: downloading something\n" + json.dumps({"Dir": str(dir)}, indent=1))


def test_istios_definitions_are_fetched_once_and_kept_by_version(machine: Path) -> None:
    source = machine / "module" / istio.DEFINITIONS
    source.parent.mkdir(parents=True)
    source.write_text("kind: CustomResourceDefinition\n")
    go(machine, machine / "module")
    said: list[str] = []
    file = istio.definitions(said.append)
    assert file.read_text() == source.read_text()
    assert file.parent.name == istio.version()
    assert said == [f"fetching istio.io/api {istio.version()}"]
    (machine / "path" / "go").unlink()
    assert istio.kept() == istio.definitions() == file


def test_what_istios_definitions_cannot_come_from_is_said(machine: Path) -> None:
    assert istio.kept() is None
    go(machine, machine / "module")
    with pytest.raises(ToolUnavailable, match="has no kubernetes/customresourcedefinitions"):
        istio.definitions()
    place(machine / "path", "go", "nothing of use")
    with pytest.raises(ToolUnavailable, match="none of its answers"):
        istio.definitions()
    (machine / "path" / "go").write_text("#!/bin/sh\necho 'dial tcp: no such host' >&2\nexit 1\n")
    with pytest.raises(ToolUnavailable, match="there is no network to the module proxy"):
        istio.definitions()


def test_the_lock_names_the_definitions_that_are_fetched(repository: Path) -> None:
    lock = (repository / "tools" / istio.MODULE / "go.sum").read_text()
    assert f"{istio.REQUIREMENT} {istio.version()} h1:" in lock
