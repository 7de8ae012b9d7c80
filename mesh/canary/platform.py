"""What a rollout asks of the platform it moves traffic on; the local mesh and Kubernetes each answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


class PlatformError(Exception):
    """A sentence for a person; asking again does not help."""


class Away(PlatformError):
    """It does not answer now; asking again may help."""


class NotFound(PlatformError):
    """No object has that name."""


class Conflict(PlatformError):
    """The object is not the one that was read: somebody has changed it since."""


@dataclass(frozen=True)
class Stored:
    """An object as it stands, and the version that a write of it has to find."""

    body: Json
    version: str


@dataclass(frozen=True)
class Pod:
    """`ready` means that the mesh sends it requests; `ready_at` is since when, in Unix seconds.

    `deployment` is the one it belongs to.
    """

    name: str
    deployment: str
    ready: bool
    ready_at: float | None
    restarts: int
    trouble: str = ""  # why it is not ready, where that is known


class Platform(Protocol):
    """One namespace of a cluster. Raises Away, PlatformError."""

    async def virtual_service(self, name: str) -> Stored:
        """The VirtualService of that name."""

    async def write_virtual_service(self, body: Json, version: str) -> Stored:
        """Put it in force on every proxy, if it still has that version. Raises Conflict."""

    async def deployments(self, labels: Mapping[str, str]) -> list[Stored]:
        """Those whose pods have all of these labels."""

    async def apply_deployment(self, body: Json) -> None:
        """Create it, or change what is there; its pods follow."""

    async def scale(self, deployment: str, replicas: int) -> None:
        """Ask for so many pods; returns before they are there. Raises NotFound."""

    async def pods(self, labels: Mapping[str, str]) -> list[Pod]:
        """The pods with all of these labels that are not ending."""

    async def replace_pod(self, name: str) -> None:
        """End one pod; its Deployment makes another."""
