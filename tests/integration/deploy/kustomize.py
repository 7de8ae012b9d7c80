"""What `kubectl kustomize` makes of a folder; helm.py stands where it looks for `helm`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
ENVIRONMENTS = ("dev", "staging", "production")
Json = dict[str, Any]


def text(folder: Path, programs: Path) -> str:
    """The manifests of a folder as one stream; `programs` is an empty folder. Skips without kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH")
    helm = programs / "helm"
    helm.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("helm.py")}" "$@"\n')
    helm.chmod(0o755)
    done = subprocess.run(
        [kubectl, "kustomize", "--enable-helm", str(folder)],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(folder: Path, programs: Path) -> list[Json]:
    return [each for each in yaml.safe_load_all(text(folder, programs)) if each]


def named(resources: list[Json]) -> dict[tuple[str, str, str], Json]:
    """By kind, namespace and name."""
    found = {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
        for each in resources
    }
    assert len(found) == len(resources)
    return found


def settings(environment: str) -> dict[str, str]:
    file = KUSTOMIZE / "environments" / environment / "settings" / "environment.yaml"
    data: dict[str, str] = yaml.safe_load(file.read_text())["data"]
    return data
