"""docs/kubernetes.md and docs/release.md name files, targets and versions that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.clusters import installation
from tests.integration.image.trees import PACKAGES

PAGES = ("kubernetes.md", "release.md")
# Of this repository, below which something stands; what a cluster or somebody else has is not.
ROOMS = ("deploy", "helm", "mesh", "docs", "telemetry")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_what_is_there(repository: Path, page: str) -> None:
    text = (repository / "docs" / page).read_text()
    targets = set(re.findall(r"^([\w-]+):", (repository / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"(?:`|^)make ([\w-]+)", text, flags=re.M))
    assert named and named <= targets, named - targets
    paths = set(re.findall(rf"(?<![\w./-])((?:{'|'.join(ROOMS)})/[\w./-]*[\w-])", text))
    assert len(paths) >= 3
    for path in paths:
        assert (repository / path).exists(), f"{page}: {path}"
    for link in re.findall(r"\]\(([\w./-]+\.md)", text):
        assert (repository / "docs" / link).resolve().is_file(), f"{page}: {link}"


def test_the_pages_say_the_versions_and_targets_that_are_used(repository: Path) -> None:
    kubernetes, release = ((repository / "docs" / page).read_text() for page in PAGES)
    assert f"Istio {installation.ISTIO} " in kubernetes
    assert set(re.findall(r"^\| `delinkcious[\w-]*` \| `(\w+)` \|", release, flags=re.M)) == set(PACKAGES)
    workflows = {path.stem for path in (repository / ".github" / "workflows").glob("*.yml")}
    assert set(re.findall(r"^\| `(\w+)` \| (?:every|changes|a tag)", release, flags=re.M)) == workflows
