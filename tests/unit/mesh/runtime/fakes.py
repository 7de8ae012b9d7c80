"""Pods without processes, for whoever keeps pods."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.manifest import PodManifest


class Pod:
    """A pod whose process and whose sidecar end when the test says so."""

    def __init__(self, manifest: PodManifest) -> None:
        self.manifest = manifest
        self.phase, self.failure = "Running", ""
        self.ready = self.stopping = self.over = self.unwanted = self.expired = False
        self.ready_since = None
        self.ends = asyncio.Event()

    async def run(self) -> None:
        await self.ends.wait()
        if self.failure:
            raise MeshError(self.failure)

    async def drain(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def remove(self) -> None:
        pass


class Places:
    """Every pod that was made, and those whose place was given back."""

    def __init__(self) -> None:
        self.made: list[Pod] = []
        self.released: list[Any] = []

    def make(self, manifest: PodManifest) -> Any:
        self.made.append(Pod(manifest))
        return self.made[-1]


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)
