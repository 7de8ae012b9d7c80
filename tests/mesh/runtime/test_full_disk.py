"""A folder that takes no file changes nothing and ends nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mesh.local import resources
from mesh.local.model import Config
from mesh.local.runtime import state
from mesh.local.runtime.errors import DeliveryFailed, NotWritten
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.overrides import Overrides
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_library import egress, running, until

pytestmark = pytest.mark.anyio


class Disk:
    """Refuses new files whose name ends as `full_for` says."""

    def __init__(self) -> None:
        self.full_for: str | None = None

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        if self.full_for is not None and self.full_for in path and flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.open(path, flags, mode)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(state, "os", made)
    yield made
    made.full_for = None


@pytest.mark.parametrize("file", ["lds.json", "applied.json"])
async def test_a_change_that_cannot_be_written_is_taken_back(
    tmp_path: Path, manifests: Manifests, disk: Disk, file: str
) -> None:
    denial = resources.parse(manifests.denial("/secret"), "denial.yaml")
    async with running(tmp_path, manifests.pair()) as mesh, _client(mesh) as client:
        disk.full_for = file
        with pytest.raises((DeliveryFailed, NotWritten), match=f"{file} cannot be written: No space left"):
            await mesh.transactions.apply(denial)
        assert (await client.get("http://reviews/secret")).status_code == 200
        disk.full_for = None
        await mesh.transactions.apply(denial)
        assert (await client.get("http://reviews/secret")).status_code == 403


async def test_pods_come_when_there_is_space_again(
    tmp_path: Path, manifests: Manifests, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.local.runtime.controller.RETRY_S", 0.1)
    second = resources.parse(manifests.deployment("second"), "second.yaml")
    async with running(tmp_path, manifests.pair()) as mesh:
        disk.full_for = "bootstrap.json"
        await mesh.transactions.apply(second)
        assert not [key for key in mesh.controller.pods if key.startswith("default/second")]
        disk.full_for = None
        await until(lambda: any(pod.ready for key, pod in mesh.controller.pods.items() if "second" in key))


def test_a_count_that_cannot_be_kept_is_not_taken(tmp_path: Path, disk: Disk, manifests: Manifests) -> None:
    kept = Overrides(tmp_path / "overrides.json")
    config = Config(resources.parse(manifests.deployment("reviews"), "a.yaml"))
    disk.full_for = "overrides.json"
    with pytest.raises(NotWritten):
        kept.scale(config, ("Deployment", "default", "reviews"), 2)
    assert kept.entries == {}


def _client(mesh: Mesh) -> httpx.AsyncClient:
    return httpx.AsyncClient(proxy=egress(mesh, "client"), timeout=30)
