"""Many snapshots judged by one Envoy: it starts in a tenth of a second, and a batch costs little more."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from mesh.local.model import Json, Snapshot
from tests.mesh.translate.static import rendition

ENVOY = files("envoy") / "_bin" / "envoy"
WAITS_S = 120


def refusal(snapshots: Sequence[Snapshot], folder: Path) -> str | None:
    """Why Envoy takes not all of them, or None."""
    bootstrap = folder / "bootstrap.json"
    bootstrap.write_text(json.dumps(together([rendition(each) for each in snapshots])))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(bootstrap), "--log-level", "error"]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=WAITS_S, check=False)
    return None if judged.returncode == 0 else judged.stderr or f"Envoy ended by {judged.returncode}"


def together(bootstraps: Sequence[Json]) -> Json:
    """One bootstrap with all that they have, every name made its content's own; what is alike once."""
    clusters: dict[str, Json] = {}
    listeners: dict[str, Json] = {}
    secrets: dict[str, Json] = {}
    for bootstrap in bootstraps:
        held = bootstrap["static_resources"]
        own = {each["name"]: f"{each['name']}#{_digest(each)}" for each in held["clusters"]}
        clusters |= {own[each["name"]]: _renamed(each, own) for each in held["clusters"]}
        for each in (_renamed(each, own) for each in held["listeners"]):
            listeners[_digest(each)] = {**each, "name": f"{each['name']}#{_digest(each)}"}
        secrets |= {each["name"]: each for each in held["secrets"]}
    resources = [list(found.values()) for found in (clusters, listeners, secrets)]
    return {
        **bootstraps[0],
        "static_resources": dict(zip(("clusters", "listeners", "secrets"), resources, strict=True)),
    }


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The same with every text that is a cluster's name replaced."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    return value
