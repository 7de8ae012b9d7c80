"""What `mesh scale` and `mesh restart` changed, kept in the state folder over restarts of the mesh."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mesh.local.model import Config, Resource
from mesh.local.runtime.errors import MeshError, NotFound
from mesh.local.runtime.state import write_atomically
from mesh.local.runtime.workload import Key, declared_replicas
from mesh.local.templates import LASTING, SCALED


class Overrides:
    """By `namespace/kind/name`, the kind in small letters.

    A scaled count holds until the manifest's own count changes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: dict[str, dict[str, Any]] = {}
        try:
            self.entries = json.loads(path.read_text())
        except FileNotFoundError:
            return
        except ValueError as error:
            raise MeshError(f"{path} is damaged ({error}); remove it to forget scaled counts") from error

    def scale(self, config: Config, key: Key, replicas: int) -> None:
        """Raises NotFound when it is not declared, MeshError when its number of pods cannot be chosen."""
        declared = _declared(config, key)
        if declared.kind not in SCALED:
            raise MeshError(f"a {declared.kind} cannot be scaled")
        self._put(key, {"replicas": replicas, "declared": declared_replicas(declared)})

    def restart(self, config: Config, key: Key) -> None:
        """Make the template new, so that every Pod is replaced. Raises NotFound, MeshError."""
        declared = _declared(config, key)
        if declared.kind not in LASTING:
            raise MeshError(f"a {declared.kind} cannot be restarted")
        self._put(key, {"restartedAt": datetime.now(UTC).isoformat()})

    def _put(self, key: Key, changed: dict[str, Any]) -> None:
        written = reference(key)
        self.replace({**self.entries, written: {**self.entries.get(written, {}), **changed}})

    def replace(self, entries: dict[str, dict[str, Any]]) -> None:
        """Keep these instead. Raises NotWritten, and the old ones stay."""
        write_atomically(self._path, json.dumps(entries))
        self.entries = entries


def reference(key: Key) -> str:
    """How the overrides of an object are found."""
    kind, namespace, name = key
    return f"{namespace}/{kind.lower()}/{name}"


def key_of(reference: str) -> Key:
    """The object whose overrides these are."""
    namespace, kind, name = reference.split("/")
    known = {each.lower(): each for each in LASTING}
    return known.get(kind, kind), namespace, name


def _declared(config: Config, key: Key) -> Resource:
    found = config.get(*key)
    if found is None:
        kind, namespace, name = key
        raise NotFound(f'{kind.lower()} "{name}" not found in namespace {namespace}')
    return found
