"""The databases at one moment between two events, without stopping anybody for longer than milliseconds."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from delinkcious.stores.postgres import binary
from services.kit.settings import Secret

CONNECT_TIMEOUT_S = 10.0
# Writers wait as long as the lock is waited for.
LOCK_TIMEOUT = "2s"
ATTEMPTS = 5

# Whoever writes an event holds a lock against this one until the end: what is seen then has all its events in
# the outbox or published, and whoever comes later has a later time.
FENCE = "LOCK TABLE outbox IN SHARE MODE"
MOMENT = "SELECT clock_timestamp() AS at, pg_export_snapshot() AS name"


class NotDumped(Exception):
    """One of PostgreSQL's programs failed; the text is what it said."""


@dataclass(frozen=True)
class Moment:
    """Up to when a database's events are in it, and the name by which pg_dump sees just that."""

    at: dt.datetime
    snapshot: str


@asynccontextmanager
async def moments(urls: Sequence[tuple[str, Secret]]) -> AsyncIterator[Mapping[str, Moment]]:
    """A moment of each database, one right after the other in this order, kept until the block is left."""
    async with AsyncExitStack() as stack:
        pairs = []
        for name, url in urls:
            fencing = await stack.enter_async_context(connected(url))
            pairs.append((name, fencing, await stack.enter_async_context(connected(url))))
        yield {name: await _moment(fencing, keeping) for name, fencing, keeping in pairs}


async def _moment(fencing: asyncpg.Connection, keeping: asyncpg.Connection) -> Moment:
    """One transaction keeps writers out, another sees what it sees; then the first one ends."""
    for attempt in range(ATTEMPTS):
        await fencing.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            await fencing.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            await fencing.execute(FENCE)
            at, name = await fencing.fetchrow(MOMENT)  # type: ignore[misc]  # it has a row
            await keeping.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await keeping.execute(f"SET TRANSACTION SNAPSHOT '{name}'")
            return Moment(at, await keeping.fetchval("SELECT pg_export_snapshot()"))
        except asyncpg.LockNotAvailableError:
            # Somebody writes for long; everybody behind us goes first.
            if attempt == ATTEMPTS - 1:
                raise
        finally:
            await fencing.execute("ROLLBACK")
    raise AssertionError("every attempt either returns or raises")


async def dump(url: Secret, moment: Moment, file: Path) -> None:
    """Write the database as it was then. Raises NotDumped."""
    options = ["--format=custom", "--compress=gzip:3", "--no-owner", "--no-privileges"]
    await _run("pg_dump", url, *options, f"--snapshot={moment.snapshot}", f"--file={file}")


async def load(url: Secret, file: Path) -> None:
    """Bring a dump into an empty database, all of it or nothing. Raises NotDumped."""
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    database = urlsplit(url.reveal()).path[1:]
    await _run("pg_restore", url, *options, f"--dbname={database}", str(file))


async def _run(program: str, url: Secret, *arguments: str) -> None:
    """Run one of PostgreSQL's programs for a database, its password where no list of processes shows it."""
    parts = urlsplit(url.reveal())
    environment = {
        "PATH": os.defpath,
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path[1:],
        "PGCONNECT_TIMEOUT": f"{CONNECT_TIMEOUT_S:g}",
    }
    process = await asyncio.create_subprocess_exec(
        binary(program), *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        raise NotDumped(f"{program} of {parts.path[1:]}: {said.decode(errors='replace').strip()}")


@asynccontextmanager
async def connected(url: Secret) -> AsyncIterator[asyncpg.Connection]:
    """A connection for as long as the block lasts."""
    connection = await asyncpg.connect(url.reveal(), timeout=CONNECT_TIMEOUT_S)
    try:
        yield connection
    finally:
        await connection.close()
