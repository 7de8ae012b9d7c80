"""Envoy itself takes everything that the golden inputs turn into."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tests.mesh.translate.static import rendition
from tests.unit.mesh.translate.test_golden import CASES, GOLDEN, translated

NEEDS_FILES = {"upstream-tls"}  # names certificate files that only a real mesh has


@pytest.mark.parametrize("name", [case for case in CASES if case not in NEEDS_FILES])
def test_envoy_accepts_the_translation(name: str, tmp_path: Path) -> None:
    made, _ = translated(GOLDEN / f"{name}.in.yaml")
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(json.dumps(rendition(made)))
    envoy = str(files("envoy") / "_bin" / "envoy")
    command = [envoy, "--mode", "validate", "--config-path", str(bootstrap), "--log-level", "error"]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert judged.returncode == 0, judged.stderr[:600]
