"""What `mesh scale` and `mesh restart` changed, kept in the state folder over restarts of the mesh."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mesh.local.model import Config
from mesh.local.runtime.errors import MeshError, NotFound
from mesh.local.runtime.state import write_atomically

KIND = "deployment"


class Overrides:
    """By `namespace/deployment/name`. A scaled count holds until the manifest's own count changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: dict[str, dict[str, Any]] = {}
        try:
            self.entries = json.loads(path.read_text())
        except FileNotFoundError:
            return
        except ValueError as error:
            raise MeshError(f"{path} is damaged ({error}); remove it to forget scaled counts") from error

    def scale(self, config: Config, namespace: str, name: str, replicas: int) -> None:
        """Raises NotFound when no such Deployment is declared."""
        declared = config.get("Deployment", namespace, name)
        if declared is None:
            raise NotFound(f'deployment "{name}" not found in namespace {namespace}')
        count = declared.spec.get("replicas")
        self._put(namespace, name, {"replicas": replicas, "declared": 1 if count is None else int(count)})

    def restart(self, config: Config, namespace: str, name: str) -> None:
        """Make the template new, so that every Pod is replaced. Raises NotFound."""
        if config.get("Deployment", namespace, name) is None:
            raise NotFound(f'deployment "{name}" not found in namespace {namespace}')
        self._put(namespace, name, {"restartedAt": datetime.now(UTC).isoformat()})

    def _put(self, namespace: str, name: str, changed: dict[str, Any]) -> None:
        key = f"{namespace}/{KIND}/{name}"
        self.replace({**self.entries, key: {**self.entries.get(key, {}), **changed}})

    def replace(self, entries: dict[str, dict[str, Any]]) -> None:
        """Keep these instead. Raises NotWritten, and the old ones stay."""
        write_atomically(self._path, json.dumps(entries))
        self.entries = entries
