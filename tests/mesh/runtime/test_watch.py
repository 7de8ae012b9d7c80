"""A watched path tells every change that a reader of it would see."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mesh.local.runtime.watch import Watch

pytestmark = pytest.mark.anyio
Change = Callable[[Path], object]


@asynccontextmanager
async def rounds(path: Path) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    watch = Watch([path])
    seen = watch.rounds()

    async def next_round() -> None:
        async with asyncio.timeout(30):
            await anext(seen)

    try:
        yield next_round
    finally:
        watch.close()


def _mounted(folder: Path, version: str) -> None:
    """As the kubelet writes a ConfigMap: a link to a folder of this version, moved in place."""
    (folder / f"..{version}").mkdir()
    (folder / f"..{version}" / "a.yaml").write_text(version)
    (folder / "..new").symlink_to(f"..{version}")
    (folder / "..new").replace(folder / "..data")


def _saved_by_rename(folder: Path) -> None:
    (folder / "a.yaml~").write_text("new")
    (folder / "a.yaml~").replace(folder / "a.yaml")


def _made_again(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    (folder / "a.yaml").write_text("new")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "a.yaml").write_text("new"), id="written"),
        pytest.param(_saved_by_rename, id="saved by rename"),
        pytest.param(lambda folder: (folder / "a.yaml").unlink(), id="deleted"),
        pytest.param(lambda folder: os.link(folder / "a.yaml", folder / "b.yaml"), id="hard link"),
        pytest.param(lambda folder: (folder / "b.yaml").symlink_to("a.yaml"), id="symbolic link"),
        pytest.param(lambda folder: (folder.parent / "real.yaml").write_text("new"), id="behind a link"),
        pytest.param(_made_again, id="folder made again"),
    ],
)
async def test_a_change_in_a_folder_is_told(tmp_path: Path, change: Change) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.yaml").write_text("old")
    (tmp_path / "real.yaml").write_text("old")
    (folder / "link.yaml").symlink_to(tmp_path / "real.yaml")
    async with rounds(folder) as next_round:
        change(folder)
        await next_round()


@pytest.mark.parametrize("name", ["", "a.yaml"])
async def test_a_mounted_config_map_is_told_each_time(tmp_path: Path, name: str) -> None:
    _mounted(tmp_path, "first")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    async with rounds(tmp_path / name) as next_round:
        for version in ("second", "third"):
            _mounted(tmp_path, version)
            await next_round()


async def test_a_file_that_is_made_again_in_a_new_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with rounds(folder) as next_round:
        _made_again(folder)
        await next_round()
        (folder / "a.yaml").write_text("newer")
        await next_round()


async def test_a_file_that_is_still_empty_is_not_told(tmp_path: Path) -> None:
    async with rounds(tmp_path) as next_round:
        with (tmp_path / "a.yaml").open("w") as file:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(next_round(), 0.2)
            file.write("whole")
