"""Take a backup of an installation that runs."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from pathlib import Path

import msgspec
from nats.js import JetStreamContext

from delinkcious import local
from delinkcious.backup import archive, snapshots, undelivered
from delinkcious.backup.archive import Description, Keys
from delinkcious.secrets import LocalSecrets
from services.kit.events import bus
from services.kit.settings import Secret

CONNECTED_WITHIN_S = 10.0
VERSION = "SHOW server_version"


async def take(state: Path | None, file: Path, *, with_keys: bool) -> Description:
    """Write the backup. Raises LookupError, NotDumped, OSError, and what PostgreSQL and the broker raise."""
    # Users last: whom the others know of, it has.
    names = [*(name for name in local.DATABASES if name != "users"), "users"]
    urls = [(name, local.database_url(name, state)) for name in names]
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder:
        parts: dict[str, Path] = {}
        async with bus.open_bus(local.broker_url(state), "delinkcious") as broker:
            async with asyncio.timeout(CONNECTED_WITHIN_S):
                jetstream = await broker.connected()
            events = await _dumped(urls, jetstream, Path(folder), parts)
        if with_keys:
            parts[archive.KEYS] = _keys(state, Path(folder))
        description = Description(
            format=archive.FORMAT,
            taken_at=dt.datetime.now(dt.UTC),
            postgres=await _version(urls[0][1]),
            databases=tuple(local.DATABASES),
            events=events,
            parts={},
        )
        await asyncio.to_thread(archive.write, file, description, parts)
    return description


async def _dumped(
    urls: list[tuple[str, Secret]], jetstream: JetStreamContext, folder: Path, parts: dict[str, Path]
) -> int:
    """The databases and the events into files; returns how many events."""
    # Before the databases: whatever a consumer has acknowledged by now, its database has.
    handled = await undelivered.floors(jetstream)
    async with snapshots.moments(urls) as moments:
        bodies = await undelivered.since(jetstream, handled)
        for name, url in urls:
            parts[archive.dump_of(name)] = folder / archive.dump_of(name)
            await snapshots.dump(url, moments[name], parts[archive.dump_of(name)])
        kept = list(undelivered.known(bodies, moments))
    parts[archive.EVENTS] = folder / archive.EVENTS
    parts[archive.EVENTS].write_bytes(b"".join(line + b"\n" for line in kept))
    return len(kept)


def _keys(state: Path | None, folder: Path) -> Path:
    secrets = LocalSecrets.load_or_create(
        local.state(state).folder / "secrets.json", local.DATABASES, local.BROKER_USERS
    )
    file = folder / archive.KEYS
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(Keys(secrets.key_encryption_key, secrets.cookie_key)))
    return file


async def _version(url: Secret) -> str:
    async with snapshots.connected(url) as connection:
        return str(await connection.fetchval(VERSION))
