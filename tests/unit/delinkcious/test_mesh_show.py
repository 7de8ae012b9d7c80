"""Files as a person in the current folder names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from delinkcious.commands.mesh_show import explanation, near, nearer


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_below_is_named_from_here_and_one_far_away_from_the_root(here: Path) -> None:
    assert near(f"{here}/mesh/a.yaml") == "mesh/a.yaml"
    assert near("/a.yaml") == "/a.yaml"
    assert near("-") == "-"


def test_findings_and_what_is_held_name_files_from_here(here: Path) -> None:
    lines = [
        f"{here}/a b.yaml:3: error: VirtualService x",
        f"{here}/c.yaml: warning: y",
        f"held: z (applied from {here}/d.yaml:1)",
    ]
    assert nearer("\n".join(lines)).splitlines() == [
        "a b.yaml:3: error: VirtualService x",
        "c.yaml: warning: y",
        "held: z (applied from d.yaml:1)",
    ]


def test_other_paths_stay(here: Path) -> None:
    text = f"{here}/none does not exist: no mesh was ever started there\nsee {here}/log"
    assert nearer(text) == text


def test_sentences_with_commas_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    explanation({"pods": ["a", "b"], "flags": ["URX: all retries, or attempts", "UF: failed"]}, "yaml")
    assert capsys.readouterr().out == "pods: a, b\nflags: URX: all retries, or attempts; UF: failed\n"
