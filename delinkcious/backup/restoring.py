"""Make an installation that does not run one of a backup: its stores anew, then all that the backup has."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from delinkcious import local
from delinkcious.backup import archive, snapshots, undelivered
from delinkcious.backup.archive import Description, Keys, NoBackup
from delinkcious.secrets import LocalSecrets, write_private
from delinkcious.stores.postgres import Postgres, PostgresUnavailable
from mesh.local.runtime.state import State
from services.kit.events.envelope import Event
from services.kit.settings import Secret

STORES = ("postgres", "nats", "redis")
HOST = "127.0.0.1"
READY_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05
ENDED_WITHIN_S = 30.0


async def restore(state: State, file: Path) -> tuple[Description, Path | None]:
    """Bring the backup in; returns it, and where what was there before lies now.

    The stores are made anew beside the old ones and exchanged at the end, so that a failure changes nothing.
    Raises NoBackup, NotDumped, PostgresUnavailable, MeshBusy, OSError.
    """
    state.create()
    with (
        state.held(),
        tempfile.TemporaryDirectory(dir=state.folder, prefix="restore-") as folder,
        archive.opened(file, Path(folder)) as description,
    ):
        parts, made = Path(folder), Path(folder) / "postgres"
        secrets = _secrets(state, parts)
        missing = set(local.DATABASES) - set(description.databases)
        if missing:
            raise NoBackup(f"{file} has no {', '.join(sorted(missing))}")
        async with _running(made) as postgres:
            for name in local.DATABASES:
                url = Secret(await postgres.ensure_database(name, secrets.databases[name]))
                await snapshots.load(url, parts / archive.dump_of(name))
                await _give_back(url, name, parts / archive.EVENTS)
        before = _exchange(state, made)
        write_private(state.folder / "secrets.json", msgspec.json.encode(secrets))
    return description, before


def _secrets(state: State, parts: Path) -> LocalSecrets:
    """The installation's, with the backup's keys where it has some."""
    file = state.folder / "secrets.json"
    own = LocalSecrets.load_or_create(file, local.DATABASES, local.BROKER_USERS)
    if not (parts / archive.KEYS).exists():
        return own
    keys = msgspec.json.decode((parts / archive.KEYS).read_bytes(), type=Keys)
    return msgspec.structs.replace(
        own, key_encryption_key=keys.key_encryption_key, cookie_key=keys.cookie_key
    )


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL of its own, empty, for as long as the block lasts."""
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    postgres = Postgres(folder, HOST, port)
    await asyncio.to_thread(postgres.initialise)
    process = await asyncio.create_subprocess_exec(
        *postgres.command(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while not await postgres.ready():
                if process.returncode is not None:
                    raise PostgresUnavailable("PostgreSQL ended before it was ready")
                await asyncio.sleep(LOOK_EVERY_S)
        yield postgres
    finally:
        if process.returncode is None:
            process.send_signal(local.POSTGRES_STOP)
            await asyncio.wait_for(process.wait(), ENDED_WITHIN_S)


async def _give_back(url: Secret, source: str, file: Path) -> None:
    ours: list[Event] = [event for event in undelivered.read(file) if undelivered.owner(event) == source]
    if ours:
        async with snapshots.connected(url) as connection:
            await undelivered.give_back(connection, ours)


def _exchange(state: State, made: Path) -> Path | None:
    """The new PostgreSQL in the place of the old one; stream and timelines are made anew by themselves."""
    there = [state.processes / name for name in STORES if (state.processes / name).exists()]
    before = None
    if there:
        before = state.folder / f"before-restore-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}"
        before.mkdir(mode=0o700)
        for folder in there:
            folder.rename(before / folder.name)
        shutil.copy2(state.folder / "secrets.json", before)
    made.rename(state.processes / "postgres")
    return before
