"""Faults of a service's database: somebody holds a lock and forgets it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Literal

import asyncpg

from delinkcious import local
from delinkcious.faults.site import Site

CONNECTED_WITHIN_S = 5.0
LOCKED_WITHIN_S = 20.0
APPLICATION = "delinkcious fault"
# However the holder ends: the server ends a transaction in which nothing happens for so long.
FORGOTTEN_MS = 3_600_000

# All sessions of this role, whose lock is to go.
END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()"""


@dataclass(frozen=True)
class Locked:
    """Locks a table in a transaction that is left open; the service's own statements wait for it."""

    service: str
    table: str
    mode: Literal["EXCLUSIVE", "ACCESS EXCLUSIVE"]

    def begin(self, site: Site) -> None:
        asyncio.run(self._try(site))

    def hold(self, site: Site, ended: threading.Event) -> None:
        asyncio.run(self._hold(site, ended))

    def end(self, site: Site) -> None:
        if site.runs:
            asyncio.run(self._end(site))

    async def _try(self, site: Site) -> None:
        connection = await self._connect(site)
        await connection.close(timeout=CONNECTED_WITHIN_S)

    async def _hold(self, site: Site, ended: threading.Event) -> None:
        connection = await self._connect(site)
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {FORGOTTEN_MS}")
                await connection.execute(f"LOCK TABLE {self.table} IN {self.mode} MODE")
                await asyncio.to_thread(ended.wait)
        finally:
            await connection.close(timeout=CONNECTED_WITHIN_S)

    async def _end(self, site: Site) -> None:
        connection = await self._connect(site)
        try:
            await connection.execute(END, APPLICATION)
        finally:
            await connection.close(timeout=CONNECTED_WITHIN_S)

    async def _connect(self, site: Site) -> asyncpg.Connection:
        url = local.database_url(self.service, site.state.folder)
        return await asyncpg.connect(
            url.reveal(),
            timeout=CONNECTED_WITHIN_S,
            command_timeout=LOCKED_WITHIN_S,
            server_settings={"application_name": APPLICATION},
        )
