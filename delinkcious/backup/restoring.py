"""Make an installation that does not run one of a backup: its stores anew, then all that the backup has."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec

from delinkcious import local
from delinkcious.backup import archive, snapshots, undelivered
from delinkcious.backup.archive import Description, NoBackup
from delinkcious.secrets import LocalSecrets, write_private
from delinkcious.stores.postgres import Postgres, PostgresUnavailable
from mesh.local.runtime.state import State
from services.kit.events.envelope import Event, InvalidEvent
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
    ):
        # Apart from the parts: what comes out of the file is no cluster, whatever it is called.
        parts, made = Path(folder) / "parts", Path(folder) / "made" / "postgres"
        parts.mkdir(mode=0o700)
        with archive.opened(file, parts, local.DATABASES) as description:
            missing = set(local.DATABASES) - set(description.databases)
            if missing:
                raise NoBackup(f"{file} has no {', '.join(sorted(missing))}")
            secrets, events = _secrets(state, parts), _events(parts)
            async with _running(made) as postgres:
                for name in local.DATABASES:
                    url = Secret(await postgres.ensure_database(name, secrets.databases[name]))
                    await snapshots.load(url, parts / archive.dump_of(name))
                    await _give_back(url, name, events)
            return description, _exchange(state, made, secrets)


def _secrets(state: State, parts: Path) -> LocalSecrets:
    """The installation's, with the backup's keys where it has some."""
    file = state.folder / "secrets.json"
    own = LocalSecrets.load(file, local.DATABASES, local.BROKER_USERS)
    if not (parts / archive.KEYS).exists():
        return own
    keys = archive.keys(parts / archive.KEYS)
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


def _events(parts: Path) -> list[Event]:
    try:
        return list(undelivered.read(parts / archive.EVENTS))
    except InvalidEvent as error:
        raise NoBackup(f"{archive.EVENTS} has what is no event: {error}") from error


async def _give_back(url: Secret, source: str, events: list[Event]) -> None:
    ours = [event for event in events if undelivered.owner(event) == source]
    if ours:
        async with snapshots.connected(url) as connection:
            try:
                await undelivered.give_back(connection, ours)
            # Of a sequence that is no number, or larger than the column's.
            except (ValueError, asyncpg.PostgresError) as error:
                raise NoBackup(f"{archive.EVENTS} has an event that {source} cannot hold: {error}") from error


def _exchange(state: State, made: Path, secrets: LocalSecrets) -> Path | None:
    """The new PostgreSQL in the place of the old one; stream and timelines are made anew by themselves."""
    there = [state.processes / name for name in STORES if (state.processes / name).exists()]
    before, known = None, state.folder / "secrets.json"
    with ExitStack() as undo:
        if there:
            before = state.folder / f"before-restore-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}"
            before.mkdir(mode=0o700)
            undo.callback(before.rmdir)
            for folder in there:
                undo.callback(folder.rename(before / folder.name).rename, folder)
            if known.exists():
                undo.callback((before / known.name).unlink, missing_ok=True)
                shutil.copy2(known, before)
        made.rename(state.processes / "postgres")
        undo.callback((state.processes / "postgres").rename, made)
        write_private(known, msgspec.json.encode(secrets))
        undo.pop_all()
    return before
