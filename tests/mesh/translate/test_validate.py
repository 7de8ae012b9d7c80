"""Envoy itself takes what the golden inputs turn into, and everything that the schemas let through."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from mesh.local import resources, snapshot
from mesh.local.model import Config, Snapshot
from tests.mesh.translate.static import rendition
from tests.unit.mesh import cases
from tests.unit.mesh.translate.test_golden import CASES, GOLDEN, translated
from tests.unit.mesh.translate.world import PROXIES, known

ACCEPTED = cases.read(Path(cases.__file__).parent / "schema" / "accepted")


@pytest.mark.parametrize("name", CASES)
def test_envoy_takes_a_golden_translation(name: str, tmp_path: Path) -> None:
    made, _ = translated(GOLDEN / f"{name}.in.yaml")
    _judge(made, tmp_path)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_envoy_takes_whatever_the_schemas_accept(case: cases.Case, tmp_path: Path) -> None:
    text = case.text.replace("namespace: shop", "namespace: default")
    config = Config(resources.parse(text, "case.yaml"))
    for name in _concerned(config):
        _judge(snapshot.build(PROXIES[name], config, known(config), {}), tmp_path)


def _concerned(config: Config) -> list[str]:
    """The proxies that a kind changes; to ask for all would only take longer."""
    kinds = {resource.kind for resource in config}
    if kinds & {"AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"}:
        return ["reviews", "echo", "gateway"]
    return ["gateway"] if "Gateway" in kinds else ["client"]


def _judge(made: Snapshot, folder: Path) -> None:
    bootstrap = folder / "bootstrap.json"
    bootstrap.write_text(json.dumps(rendition(made)))
    envoy = str(files("envoy") / "_bin" / "envoy")
    command = [envoy, "--mode", "validate", "--config-path", str(bootstrap), "--log-level", "error"]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert judged.returncode == 0, judged.stderr[:600]
