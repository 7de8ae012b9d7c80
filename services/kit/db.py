"""PostgreSQL through one asyncpg pool; a transaction that is open in this task is the one that is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NoReturn, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from prometheus_client import CollectorRegistry

from services.kit.errors import Unavailable
from services.kit.settings import ServiceSettings
from telemetry.instrumentation.sql import TracedConnection
from telemetry.pools import DatabasePoolMetrics

Record: TypeAlias = asyncpg.Record
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

# A statement that outlives every deadline of the interface is a fault; the server ends it by itself.
STATEMENT_TIMEOUT_MS = 60_000
CONNECT_TIMEOUT_S = 5.0
# A server that restarts refuses connections for about a second: a request that has to wait may as well.
RECONNECT_AFTER_S = 0.05
# How soon a client should try again when the database is away: it restarts within a second or two.
RETRY_AFTER_S = 2.0

# What asyncpg raises when the server is away, going, or full; everything else is a fault of ours.
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
# Two transactions in each other's way: PostgreSQL ended this one, and the same request will do.
_IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


@dataclass(frozen=True, slots=True)
class _Open:
    connection: Connection
    task: asyncio.Task[Any] | None


_open: ContextVar[_Open | None] = ContextVar("open_transaction", default=None)


class Database:
    """The service's database: one statement at a time, or several in `transaction()`.

    Inside `async with database.transaction():` every method uses that transaction, as long as it is called
    from the same task; a task started meanwhile gets a connection of its own. Raises Unavailable when no
    connection can be had or the server goes away.
    """

    def __init__(
        self, pool: asyncpg.Pool, acquire_timeout_s: float, metrics: DatabasePoolMetrics | None = None
    ) -> None:
        self.pool = pool
        self._acquire_timeout_s = acquire_timeout_s
        self._metrics = metrics or DatabasePoolMetrics(None)

    async def fetch(self, sql: str, *arguments: object) -> list[Record]:
        async with self.connection() as connection:
            rows: list[Record] = await connection.fetch(sql, *arguments)
            return rows

    async def fetchrow(self, sql: str, *arguments: object) -> Record | None:
        async with self.connection() as connection:
            row: Record | None = await connection.fetchrow(sql, *arguments)
            return row

    async def fetchval(self, sql: str, *arguments: object) -> Any:
        async with self.connection() as connection:
            return await connection.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: object) -> str:
        """Run one statement; returns the command tag (`UPDATE 3`)."""
        async with self.connection() as connection:
            return await connection.execute(sql, *arguments)

    async def ping(self) -> None:
        """Raise Unavailable while no statement can be run now: a server that restarts is not waited for."""
        connection = await self._acquire(patient=False)
        try:
            with _translated(connection):
                await connection.fetchval("SELECT 1")
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """The connection of the open transaction, or one from the pool."""
        current = _open.get()
        if current is not None and current.task is asyncio.current_task():
            with _translated(current.connection):
                yield current.connection
            return
        connection = await self._acquire()
        try:
            with _translated(connection):
                yield connection
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[Connection]:
        """All or nothing; inside another one, a savepoint. `options` are asyncpg's (isolation, readonly)."""
        async with self.connection() as connection, connection.transaction(**options):
            token = _open.set(_Open(connection, asyncio.current_task()))
            try:
                yield connection
            finally:
                _open.reset(token)

    async def _acquire(self, *, patient: bool = True) -> Connection:
        begun = perf_counter()
        try:
            return await self._connected(begun + self._acquire_timeout_s, patient=patient)
        except TimeoutError as error:
            self._metrics.timeouts.inc()
            raise Unavailable("all database connections are busy", retry_after_s=1) from error
        except (OSError, *_LOST, asyncpg.InterfaceError) as error:
            _unavailable(error)
        finally:
            self._metrics.wait.observe(perf_counter() - begun)

    async def _connected(self, deadline: float, *, patient: bool) -> Connection:
        """A connection; `patient`: a server that restarts is waited for as one of them that is busy."""
        while True:
            try:
                connection: Connection = await self.pool.acquire(timeout=max(0.0, deadline - perf_counter()))
                return connection
            except TimeoutError:
                raise
            except (OSError, *_LOST):
                if not patient or perf_counter() + RECONNECT_AFTER_S >= deadline:
                    raise
            await asyncio.sleep(RECONNECT_AFTER_S)


@asynccontextmanager
async def open_pool(
    settings: ServiceSettings, registry: CollectorRegistry | None = None
) -> AsyncIterator[Database]:
    """A pool that connects when first used, so that the order in which things start does not matter."""
    pool = await asyncpg.create_pool(
        settings.database_url.reveal(),
        min_size=0,
        max_size=settings.database_pool_size,
        connection_class=_Connection,
        timeout=CONNECT_TIMEOUT_S,
        server_settings={"statement_timeout": str(STATEMENT_TIMEOUT_MS), "timezone": "UTC"},
    )
    metrics = DatabasePoolMetrics(registry)
    metrics.watch(settings.database_pool_size, pool.get_idle_size, pool.get_size)
    try:
        yield Database(pool, settings.database_acquire_timeout_s, metrics)
    finally:
        # Whoever still holds a connection now is past every deadline.
        try:
            await asyncio.wait_for(pool.close(), timeout=CONNECT_TIMEOUT_S)
        except TimeoutError:
            pool.terminate()


@contextmanager
def constraints(errors: Mapping[str, Callable[[], Exception]]) -> Iterator[None]:
    """Raise `errors[name]()` where a statement violates the constraint `name`.

    The transaction around the statement is lost then; to go on in it, run the statement in its own
    `database.transaction()`.
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        name = error.constraint_name
        if name is None or name not in errors:
            raise
        raise errors[name]() from error


class _Connection(TracedConnection):
    """Without the reset query after each use: no statement here changes a session's state."""

    def get_reset_query(self) -> str:
        return ""


@contextmanager
def _translated(connection: Connection) -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        _unavailable(error)
    except _IN_THE_WAY as error:
        raise Unavailable("another request was in the way") from error
    except asyncpg.InternalClientError as error:
        # A killed server's last words came while the connection was idle: asyncpg refuses to use it any more
        # before it has noticed its end.
        connection.terminate()
        _unavailable(error)
    except (OSError, asyncpg.InterfaceError) as error:
        # Both may as well be a fault of whoever uses the connection.
        if _is_gone(connection):
            _unavailable(error)
        raise


def _is_gone(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has taken a closed connection back already.
        return True


def _unavailable(error: Exception) -> NoReturn:
    raise Unavailable("the database is away", retry_after_s=RETRY_AFTER_S) from error
