"""The Dockerfile by its text: what is pinned, who runs, what is copied, what the locks hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from delinkcious import chart
from tests.integration.image.trees import PACKAGES

LABELS = ("title", "description", "version", "revision", "base.name")
HASHED = re.compile(r"^([a-z0-9-]+)==\S+(?: ; .+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)
NAME = re.compile(r"[A-Za-z0-9-]+")


@pytest.fixture
def dockerfile(repository: Path) -> str:
    return (repository / "Dockerfile").read_text()


def stages(dockerfile: str) -> dict[str, str]:
    """The text of each stage by its name."""
    parts = re.split(r"^FROM ", dockerfile, flags=re.M)[1:]
    found = {}
    for part in parts:
        head = re.match(r"(\S+) AS (\S+)\n", part)
        assert head, part.splitlines()[0]
        found[head[2]] = part
    return found


def instructions(dockerfile: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", dockerfile, flags=re.M)


def test_hadolint_finds_nothing(repository: Path) -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, "Dockerfile"], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_comes_from_elsewhere_is_pinned_by_its_digest(dockerfile: str) -> None:
    known = {"scratch"}
    for name, text in stages(dockerfile).items():
        image = text.split()[0]
        assert image in known or re.fullmatch(r"python:3\.13\.\d+-slim-\w+@sha256:[0-9a-f]{64}", image), image
        known.add(name)
    assert ":latest" not in dockerfile


def test_every_target_that_the_chart_names_runs_as_nobody_without_pip(dockerfile: str) -> None:
    found = stages(dockerfile)
    assert list(found)[-1] == "app", "a build without a target makes the image of the services"
    images = re.findall(
        r"delinkcious/delinkcious(?:-(\w+))?\b", chart.CHART.joinpath("values.yaml").read_text()
    )
    assert {name or "app" for name in images} == set(PACKAGES)
    for target in PACKAGES:
        text = found[target]
        assert text.startswith("runtime AS ")
        assert not instructions(text, "RUN") and not instructions(text, "USER")
    (user,) = instructions(found["runtime"], "USER")
    assert user == "65534:65534"
    assert found["runtime"].startswith("scratch AS ")


def test_what_is_copied_is_there_and_reaches_the_builder(repository: Path, dockerfile: str) -> None:
    allowed = [
        line[1:].rstrip("/")
        for line in (repository / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    own = [line.split()[0] for line in instructions(dockerfile, "COPY") if not line.startswith("--from")]
    assert len(own) >= 8
    for path in (*own, *allowed):
        assert (repository / path).exists(), path
    for path in own:
        assert any(f"{each}/".startswith(f"{path}/") or f"{path}/".startswith(f"{each}/") for each in allowed)


def test_the_targets_hold_the_packages_that_are_tried(dockerfile: str) -> None:
    calls = re.findall(r"tree\.sh code \. /out (.+)$", dockerfile, flags=re.M)
    assert {tuple(call.split()) for call in calls} == set(PACKAGES.values())


def test_every_program_that_the_chart_calls_is_in_its_image() -> None:
    on = {"enabled": True}
    host = {**on, "host": "https://delinkcious.example"}
    values = {"canary": on, "canaryLoad": host, "loadtest": host, "smoke": on, "storesExporter": on}
    called = set()
    for body in yaml.safe_load_all(chart.render({**values, "observability": {"namespace": "o"}})):
        for container in containers(body):
            image = re.search(r"delinkcious/delinkcious(?:-(\w+))?:", container.get("image", ""))
            if image and container["command"][:2] == ["python", "-m"]:
                called.add((image[1] or "app", container["command"][2]))
    assert {("app", "delinkcious.smoke"), ("canary", "mesh.canary"), ("app", "services.links")} <= called
    for target, module in called:
        path = module.replace(".", "/")
        assert any(f"{path}/".startswith(f"{package}/") for package in PACKAGES[target]), (target, module)


def containers(value: object) -> Iterator[dict[str, Any]]:
    """Every container anywhere in an object."""
    if isinstance(value, dict):
        yield from value.get("containers") or []
        for item in value.values():
            yield from containers(item)


def test_an_image_says_what_it_is(dockerfile: str) -> None:
    for label in LABELS:
        assert f"org.opencontainers.image.{label}=" in dockerfile
    version = tomllib.loads((chart.ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in dockerfile


@pytest.mark.parametrize("target", PACKAGES)
def test_each_wheel_of_an_image_is_locked_by_its_hashes(repository: Path, target: str) -> None:
    text = (repository / "deploy" / "image" / f"{target}.lock").read_text()
    found = HASHED.findall(text)
    assert len(found) == len(re.findall(r"^[a-z]", text, flags=re.M)) > 20
    locked = dict(found)
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    group = groups[f"image-{target}"]
    names = [each for each in group if isinstance(each, str)]
    names += [name for each in group if isinstance(each, dict) for name in groups[each["include-group"]]]
    assert {NAME.match(name)[0] for name in names} <= set(locked)  # type: ignore[index]


def test_an_image_has_the_versions_that_are_tested(repository: Path) -> None:
    pinned = re.compile(r"^([a-z0-9-]+)==(\S+)", re.M)
    tested = set(pinned.findall((repository / "requirements-dev.lock").read_text()))
    for target in PACKAGES:
        assert set(pinned.findall((repository / "deploy" / "image" / f"{target}.lock").read_text())) <= tested


def test_what_an_image_has_is_named_for_everybody_first(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    known = [*project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        known += extra
    names = {NAME.match(each)[0] for each in known}  # type: ignore[index]
    for target in PACKAGES:
        for each in project["dependency-groups"][f"image-{target}"]:
            assert isinstance(each, dict) or NAME.match(each)[0] in names  # type: ignore[index]
