"""A release has one version everywhere, and its notes are the changelog's."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import release

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Something.

## [1.2.0] - 2026-03-01

### Fixed

- What was wrong.

## [1.1.0] - 2026-02-01

## [1.0.0]

- First.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout that is ready to be released as 1.2.0."""
    (tmp_path / "helm" / "delinkcious").mkdir(parents=True)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG VERSION=1.2.0\n")
    chart = tmp_path / "helm" / "delinkcious" / "Chart.yaml"
    chart.write_text('version: 0.4.0\nappVersion: "1.2.0"\nkubeVersion: ">=1.29.0-0"\n')
    return tmp_path


def test_a_release_with_one_version_everywhere_is_ready(root: Path) -> None:
    assert release.faults("v1.2.0", root) == []
    assert release.notes("v1.2.0", root) == "### Fixed\n\n- What was wrong.\n"


def test_every_place_that_says_another_version_is_named(root: Path) -> None:
    assert [fault.split(" says ")[0] for fault in release.faults("v1.3.0", root)] == [
        "pyproject.toml",
        "appVersion in Chart.yaml",
        "Dockerfile",
        "CHANGELOG.md has no section ## [1.3.0]",
    ]
    (root / "Dockerfile").write_text("FROM scratch\n")
    assert release.faults("v1.2.0", root) == ["Dockerfile says nothing, not 1.2.0"]


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("v1.1.0", "says nothing of 1.1.0"),
        ("v1.0.0", "does not say when"),
        ("v9.9.9", "no section"),
        ("1.2.0", "no tag"),
        ("v1.2.0-rc.1", "no tag"),
        ("v1.2.0\n", "no tag"),
    ],
)
def test_a_release_without_notes_is_refused(root: Path, tag: str, why: str) -> None:
    with pytest.raises(release.NotReady, match=why):
        release.notes(tag, root)


def test_this_checkout_has_one_version_everywhere(repository: Path) -> None:
    chart = (repository / "helm" / "delinkcious" / "Chart.yaml").read_text()
    version = next(line.split('"')[1] for line in chart.splitlines() if line.startswith("appVersion:"))
    assert [fault for fault in release.faults(f"v{version}") if "CHANGELOG" not in fault] == []
