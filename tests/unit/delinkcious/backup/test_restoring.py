"""A restore that fails changes nothing, and what is in the file is never where the new stores are made."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from delinkcious import local
from delinkcious.backup import archive, restoring
from delinkcious.backup.archive import Description, NoBackup
from delinkcious.secrets import LocalSecrets
from delinkcious.stores.postgres import Postgres, PostgresUnavailable
from mesh.local.runtime.state import State

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.urlsafe_b64encode(b"\xff" * 32).decode()
RIGHT = f'{{"key_encryption_key": "{KEY}", "cookie_key": "{"cookie" * 6}"}}'


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    made.create()
    return made


def backup(folder: Path, keys: str = RIGHT, events: str = "") -> Path:
    parts = {archive.dump_of(name): b"dump" for name in local.DATABASES}
    parts |= {archive.KEYS: keys.encode(), archive.EVENTS: events.encode()}
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    description = Description(
        format=archive.FORMAT,
        taken_at=dt.datetime(2026, 11, 27, tzinfo=dt.UTC),
        postgres="18.6",
        databases=local.DATABASES,
        events=0,
        parts={},
    )
    archive.write(folder / "backup.tar", description, {name: folder / name for name in parts})
    return folder / "backup.tar"


def contents(state: State) -> dict[str, bytes]:
    """All files there, but for the lock, which has the last holder's pid."""
    files = (path for path in state.folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(state.folder)): path.read_bytes() for path in files}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "keys",
    [
        "{}",
        "[]",
        "{",
        RIGHT.replace(KEY, ""),
        RIGHT.replace(KEY, " "),
        RIGHT.replace(KEY, "bm8="),
        RIGHT.replace(KEY, "\N{SNOWMAN}"),
        RIGHT.replace("cookie" * 6, ""),
        RIGHT.replace("cookie" * 6, " " * 40),
    ],
)
async def test_keys_that_are_none_are_refused(state: State, tmp_path: Path, keys: str) -> None:
    with pytest.raises(NoBackup, match=r"keys\.json has"):
        await restoring.restore(state, backup(tmp_path, keys))
    assert contents(state) == {}


def test_keys_that_are_being_changed_are_taken(tmp_path: Path) -> None:
    file = tmp_path / archive.KEYS
    file.write_text(RIGHT.replace(KEY, f"{OTHER},{KEY}").replace("cookie" * 6, f"{'new' * 11},{'old' * 11}"))
    assert archive.keys(file).key_encryption_key == f"{OTHER},{KEY}"


@pytest.mark.anyio
async def test_events_that_are_none_are_refused(state: State, tmp_path: Path) -> None:
    with pytest.raises(NoBackup, match="is no event"):
        await restoring.restore(state, backup(tmp_path, events="{}\n"))
    assert contents(state) == {}


@pytest.mark.anyio
async def test_stores_are_made_where_nothing_of_the_file_is_and_a_failure_leaves_no_secrets(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    @asynccontextmanager
    async def running(folder: Path) -> AsyncIterator[Postgres]:
        (parts,) = {part.parent for part in state.folder.rglob("*.dump")}
        assert not folder.is_relative_to(parts)
        assert not any(part.is_relative_to(folder) for part in state.folder.rglob("*"))
        seen.append(folder)
        raise PostgresUnavailable("it does not start")
        yield Postgres(folder, restoring.HOST, 0)  # type: ignore[unreachable]  # it makes this a generator

    monkeypatch.setattr(restoring, "_running", running)
    with pytest.raises(PostgresUnavailable):
        await restoring.restore(state, backup(tmp_path))
    assert len(seen) == 1
    assert contents(state) == {}


def test_an_exchange_that_fails_half_way_is_taken_back(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = LocalSecrets.load_or_create(state.folder / "secrets.json", local.DATABASES, local.BROKER_USERS)
    for name in restoring.STORES:
        (state.processes / name).mkdir()
        (state.processes / name / "old").write_text(name)
    (tmp_path / "made").mkdir()
    before = contents(state)

    def fail(file: Path, content: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(restoring, "write_private", fail)
    with pytest.raises(OSError, match="no space left"):
        restoring._exchange(state, tmp_path / "made", own)
    assert contents(state) == before
    assert list(state.folder.glob("before-restore-*")) == []
    assert (tmp_path / "made").is_dir()
