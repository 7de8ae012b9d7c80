"""The database as a service uses it: transactions by task, constraint names, a server that goes away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.kit.db import Database, constraints, open_pool
from services.kit.errors import Conflict, Unavailable
from services.kit.settings import Secret, ServiceSettings
from tests.conftest import MigratedDatabase
from tests.integration.kit.process import PACKAGE

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO notes (owner_id, text) VALUES (1, $1)"
COUNT = "SELECT count(*) FROM notes"


@pytest.fixture
async def settings(migrated_database: MigratedDatabase) -> ServiceSettings:
    url = Secret(await migrated_database(PACKAGE))
    return ServiceSettings(database_url=url, database_pool_size=2, database_acquire_timeout_s=30.0)


def impatient(settings: ServiceSettings) -> ServiceSettings:
    """For who waits in vain; to open a connection takes its time, too, on a machine that is busy."""
    return msgspec.structs.replace(settings, database_acquire_timeout_s=1.0)


async def test_what_is_done_inside_a_transaction_is_undone_with_it(settings: ServiceSettings) -> None:
    async with open_pool(settings) as database:
        with pytest.raises(LookupError):
            async with database.transaction():
                await database.execute(INSERT, "a")
                assert await database.fetchval(COUNT) == 1
                raise LookupError
        assert await database.fetchval(COUNT) == 0


async def test_an_inner_transaction_is_a_savepoint(settings: ServiceSettings) -> None:
    async with open_pool(settings) as database:
        async with database.transaction():
            await database.execute(INSERT, "a")
            with pytest.raises(Conflict), constraints({"notes_owner_text_key": Conflict}):
                async with database.transaction():
                    await database.execute(INSERT, "a")
            await database.execute(INSERT, "b")
        assert [row["text"] for row in await database.fetch("SELECT text FROM notes")] == ["a", "b"]


async def test_another_task_is_not_in_the_transaction(settings: ServiceSettings) -> None:
    async with open_pool(settings) as database, database.transaction():
        await database.execute(INSERT, "a")
        assert await asyncio.create_task(database.fetchval(COUNT)) == 0


async def test_a_constraint_that_nobody_named_stays_an_error(settings: ServiceSettings) -> None:
    async with open_pool(settings) as database:
        await database.execute(INSERT, "a")
        with pytest.raises(asyncpg.UniqueViolationError), constraints({"another": Conflict}):
            await database.execute(INSERT, "a")


async def test_a_busy_pool_is_unavailable_soon(settings: ServiceSettings) -> None:
    async with open_pool(impatient(settings)) as database, database.transaction():
        other = asyncio.create_task(hold(database))
        with pytest.raises(Unavailable, match="busy"):
            while True:
                await asyncio.create_task(database.ping())
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other


async def test_the_wait_for_a_connection_is_measured_and_one_in_vain_is_counted(
    settings: ServiceSettings,
) -> None:
    small = msgspec.structs.replace(impatient(settings), database_pool_size=1)
    registry = CollectorRegistry()
    value = registry.get_sample_value
    async with open_pool(small, registry) as database:
        await database.ping()
        assert value("database_pool_wait_seconds_count") == 1
        async with database.transaction(), database.connection():
            # The transaction's own connection is not asked for again.
            assert value("database_pool_wait_seconds_count") == 2
            assert value("database_pool_connections", {"state": "busy"}) == 1
            with pytest.raises(Unavailable, match="busy"):
                await asyncio.create_task(database.ping())
        assert value("database_pool_connections", {"state": "idle"}) == 1
    assert value("database_pool_limit") == 1
    assert value("database_pool_timeouts_total") == 1
    assert value("database_pool_wait_seconds_count") == 3
    waited_s = value("database_pool_wait_seconds_sum")
    assert waited_s is not None
    assert waited_s >= 1.0


async def hold(database: Database) -> None:
    async with database.connection():
        await asyncio.Event().wait()


async def test_a_server_that_is_not_there_is_unavailable_and_the_pool_opens_all_the_same() -> None:
    settings = ServiceSettings(database_url=Secret("postgresql://nobody@127.0.0.1:1/nothing"))
    async with open_pool(settings) as database:
        with pytest.raises(Unavailable) as raised:
            await database.ping()
        assert raised.value.headers == {"retry-after": "2"}


async def test_a_lost_connection_is_unavailable_and_the_next_one_works(settings: ServiceSettings) -> None:
    async with open_pool(settings) as database:
        with pytest.raises(Unavailable):
            await database.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await database.ping()


@asynccontextmanager
async def passing_on(port: int, url: str) -> AsyncIterator[None]:
    """Listens on a port of 127.0.0.1 and passes on what comes to the server of `url`, to its end."""
    server = urlsplit(url)
    serving: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
        target.close()
        with contextlib.suppress(ConnectionError):
            await target.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            serving.add(task)
        there, back = await asyncio.open_connection(server.hostname, server.port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield
        await asyncio.gather(*serving)


async def test_a_server_that_restarts_is_waited_for_like_a_busy_connection(
    settings: ServiceSettings, free_port: Callable[[], int]
) -> None:
    url, port = settings.database_url.reveal(), free_port()
    away = Secret(url.replace(urlsplit(url).netloc.rpartition("@")[2], f"127.0.0.1:{port}"))
    async with (
        AsyncExitStack() as stack,
        open_pool(msgspec.structs.replace(settings, database_url=away)) as database,
    ):
        waiting = asyncio.create_task(database.fetchval("SELECT 1"))
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        # It ends behind the pool: a connection that outlives it would outlive the loop.
        await stack.enter_async_context(passing_on(port, url))
        assert await waiting == 1


async def test_a_server_that_stays_away_is_unavailable(
    settings: ServiceSettings, free_port: Callable[[], int]
) -> None:
    away = Secret(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    async with open_pool(msgspec.structs.replace(settings, database_url=away)) as database:
        with pytest.raises(Unavailable):
            await database.ping()


async def test_a_farewell_that_an_idle_connection_has_heard_is_unavailable_and_the_next_one_works(
    settings: ServiceSettings,
) -> None:
    """A killed server's last words may be read some time before the end of the connection is noticed."""
    fields = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
    farewell = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    async with open_pool(settings) as database:
        async with database.connection() as connection:
            protocol = connection._con._protocol  # type: ignore[attr-defined]  # reads the socket
        protocol.data_received(farewell)
        with pytest.raises(Unavailable):
            async with database.transaction():
                pass
        assert await database.fetchval("SELECT 1") == 1


async def test_a_fault_of_the_one_who_uses_the_connection_is_not_hidden(settings: ServiceSettings) -> None:
    async with open_pool(settings) as database:
        with pytest.raises(FileNotFoundError):
            async with database.transaction():
                raise FileNotFoundError
        with pytest.raises(asyncpg.InterfaceError):
            await database.execute("SELECT $1::int", 1, 2)


async def test_two_transactions_in_each_others_way_are_unavailable_not_broken(
    settings: ServiceSettings,
) -> None:
    async with open_pool(settings) as database:
        await database.execute(INSERT, "a")
        await database.execute(INSERT, "b")
        first_locked, second_locked = asyncio.Event(), asyncio.Event()

        async def lock(mine: str, other: str, locked: asyncio.Event, wait_for: asyncio.Event) -> None:
            async with database.transaction():
                await database.execute("UPDATE notes SET version = 2 WHERE text = $1", mine)
                locked.set()
                await wait_for.wait()
                await database.execute("UPDATE notes SET version = 2 WHERE text = $1", other)

        results = await asyncio.gather(
            lock("a", "b", first_locked, second_locked),
            lock("b", "a", second_locked, first_locked),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == ["NoneType", "Unavailable"]
