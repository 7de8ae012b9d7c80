"""What the downward API tells of a container's size."""

from __future__ import annotations

import os

import psutil

from mesh.local.model import Json
from mesh.local.quantity import divided
from mesh.local.runtime.manifest import FieldPath, PodManifest, Refused


def size(pod: PodManifest, reference: Json, path: FieldPath, container: Json | None = None) -> str:
    """What `resourceFieldRef` tells of a container: its own size, else the machine's, as of a node."""
    name = reference.get("containerName") or (container or {}).get("name")
    every = [*(pod.spec.get("initContainers") or []), *pod.spec["containers"]]
    meant = next((one for one in every if one["name"] == name), None)
    if meant is None:
        raise Refused(path, f"no container is called {name}")
    word, _, unit = str(reference["resource"]).partition(".")
    sizes = meant.get("resources") or {}
    written = (sizes.get(word) or {}).get(unit)
    if written is None and word == "requests":
        written = (sizes.get("limits") or {}).get(unit, 0)
    if written is None:
        written = os.cpu_count() or 1 if unit == "cpu" else psutil.virtual_memory().total
    return str(divided(written, reference.get("divisor") or 1))
