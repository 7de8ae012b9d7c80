"""What a run's journal does not say, asked of the mesh that it takes place in, which may be away."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from delinkcious import local
from mesh.canary import home
from mesh.canary.local import LocalPlatform
from mesh.canary.platform import Away, PlatformError, Pod
from mesh.canary.runs.starting import labels
from mesh.canary.views.story import Story
from mesh.local.runtime.state import State

WITHIN_S, ASKED_EVERY_S = 1.5, 2.0
_RESTARTS = re.compile(r"\d+ restart.*")


class Beside:
    """One run's pods and mesh, in sentences; those of a moment ago while it is asked seldom."""

    def __init__(self, path: Path, mesh: State | None) -> None:
        self._mesh = mesh if mesh is not None and _is_below(path, home.folder(mesh).path) else None
        self._asked_at = -ASKED_EVERY_S
        self._said: list[str] = []

    def __call__(self, told: Story) -> list[str]:
        """Nothing where nothing is wrong, or nobody can be asked. Raises nothing."""
        if told.ended or self._mesh is None:
            return []
        if time.monotonic() - self._asked_at >= ASKED_EVERY_S:
            self._said = _said(told, self._mesh)
            self._asked_at = time.monotonic()
        return self._said


def mesh_of(state: Path | None) -> State | None:
    """The mesh of an installation, None outside a checkout."""
    try:
        return local.state(state)
    except LookupError:
        return None


def kind(sentence: str) -> str:
    """Tells one sentence from another, not a restart from the next."""
    return _RESTARTS.sub("", sentence)


def _said(told: Story, mesh: State) -> list[str]:
    try:
        pods = asyncio.run(_pods(told, mesh))
    except Away as error:
        away = isinstance(error.__cause__, OSError)
        return [f"no mesh runs in {mesh.folder}: the run goes on when one does"] if away else []
    except (PlatformError, TimeoutError, OSError):
        return []
    wanted = 0 if told.stage == "retreating" else told.scaled.get(told.began.name, 0)
    return [] if told.spec.dry_run else unready(told.began.name, wanted, pods)


async def _pods(told: Story, mesh: State) -> list[Pod]:
    platform = LocalPlatform(mesh, told.namespace)
    async with asyncio.timeout(WITHIN_S):
        pods = await platform.pods(labels(told.service, told.canary))
    return [pod for pod in pods if pod.deployment == told.began.name]


def unready(deployment: str, wanted: int, pods: list[Pod]) -> list[str]:
    """`links-v2-rollout: 0 of 1 ready: exit code 1, 7 restarts`; nothing when as many as wanted are ready."""
    ready = sum(pod.ready for pod in pods)
    if ready >= wanted:
        return []
    late = [pod for pod in pods if not pod.ready]
    why = next((pod.trouble for pod in late if pod.trouble), "")
    restarts = max((pod.restarts for pod in late), default=0)
    again = f"{restarts} restart{'' if restarts == 1 else 's'}" if restarts else ""
    because = ", ".join(filter(None, (why, again)))
    return [f"{deployment}: {ready} of {wanted} ready{f': {because}' if because else ''}"]


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
