"""Real stores for the tests: one PostgreSQL a run, a database of its own for whoever asks."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from delinkcious import control_planes, local
from delinkcious.stores.nats import Nats
from delinkcious.stores.postgres import Postgres
from delinkcious.stores.redis import Redis
from services.kit.events import bus
from services.kit.events.bus import open_bus
from services.kit.migrate import migrate
from services.kit.settings import Secret
from tests.access_tokens import TokenMint, served

# A gate says the same twice. `HYPOTHESIS_PROFILE=search pytest ...` looks for what nobody has thought of.
TIMELESS: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **TIMELESS)
settings.register_profile("search", max_examples=1000, **TIMELESS)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Below those that the kernel gives to outgoing connections (32768 and up): one of these stays free until
# somebody asks for it, also while its server is stopped.
PORTS = range(20_000, 32_000)
LONG = 8  # tests that a long one counts as
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 60.0


class NewDatabase(Protocol):
    """Creates an empty database, or one like `template` (a database name), and returns its URL."""

    def __call__(self, template: str | None = None) -> Awaitable[str]: ...


@dataclass(frozen=True)
class RunningNats:
    """A broker with a user for each service and an operator; a restart keeps its streams."""

    server: Nats
    passwords: Mapping[str, str]
    start: Callable[[], None]
    stop: Callable[[], None]
    freeze: Callable[[], None]
    thaw: Callable[[], None]

    def url(self, user: str) -> Secret:
        return Secret(self.server.url(user, self.passwords[user]))


@dataclass(frozen=True)
class RunningRedis:
    """A Redis; `database` numbers (0 to 15) keep tests apart."""

    server: Redis
    password: str
    start: Callable[[], None]
    stop: Callable[[], None]

    def url(self, database: int = 0) -> Secret:
        return Secret(self.server.url(self.password).removesuffix("/0") + f"/{database}")


class MigratedDatabase(Protocol):
    """Creates a database with the schema of a service's package (`services.links`); returns its URL."""

    def __call__(self, package: str) -> Awaitable[str]: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--control-plane",
        default=control_planes.EMBEDDED,
        choices=control_planes.NAMES,
        help="of the installation that the tests of tests/e2e share",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with many tests first, so that processes end together; a long test counts as some.

    A test's name may not hold the time: processes that share the tests would collect different ones.
    """
    now = time.time()
    for item in items:
        if any(abs(int(number) - now) < 86_400 for number in re.findall(r"\d{10}", item.nodeid)):
            raise pytest.UsageError(f"{item.nodeid} is named by the clock; give its parameters fixed ids")
    sizes = Counter[Path]()
    for item in items:
        sizes[item.path] += LONG if item.get_closest_marker("long") else 1
    items.sort(key=lambda item: (item.get_closest_marker("late") is not None, -sizes[item.path]))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A port of 127.0.0.1 that nobody has, each time another one."""
    given: set[int] = set()

    def find() -> int:
        while True:
            port = secrets.choice(PORTS)
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            if port not in given:
                given.add(port)
                return port

    return find


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Postgres]:
    """A PostgreSQL of this run's own; durability off, since its data die with the run."""
    folder = tmp_path_factory.mktemp("postgres")
    fast = (("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off"))
    server = Postgres(folder, "127.0.0.1", free_port(), fast)
    server.initialise()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server.command(), stderr=log)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not asyncio.run(server.ready()):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, f"PostgreSQL did not start within {STARTS_WITHIN_S:g} s"
        yield server
    finally:
        # Not SIGTERM: that waits for whoever is still connected.
        process.send_signal(signal.SIGINT)
        process.wait(timeout=ENDS_WITHIN_S)


class Daemon:
    """A server process that a test may stop and start again."""

    def __init__(self, command: list[str], log: Path, ready: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self._command = command
        self._log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not asyncio.run(self._ready()):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, f"{self._command[0]} is not there in {STARTS_WITHIN_S:g} s"
            time.sleep(0.02)

    def stop(self) -> None:
        """As hard as it gets."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=ENDS_WITHIN_S)
            self._process = None

    def freeze(self) -> None:
        """Let it keep its connections and do nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def nats_server(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[RunningNats]:
    """A broker of this run's own, with the rights that the local installation gives."""
    folder = tmp_path_factory.mktemp("nats")
    server = Nats(folder, "127.0.0.1", free_port(), free_port())
    passwords = {user: secrets.token_hex(8) for user in local.BROKER_USERS}
    server.initialise(passwords, local.PUBLISHERS)
    daemon = Daemon(server.command(), folder / "log", server.ready)
    daemon.start()
    yield RunningNats(server, passwords, daemon.start, daemon.stop, daemon.freeze, daemon.thaw)
    daemon.stop()


async def forget(nats: RunningNats) -> None:
    """Empty both streams, and begin their numbers anew."""
    async with open_bus(nats.url("operator"), "operator") as operator:
        jetstream = await operator.connected()
        for stream in (bus.EVENTS, bus.DEAD_LETTERS):
            await jetstream.delete_stream(stream)


@pytest.fixture
async def broker(nats_server: RunningNats) -> AsyncIterator[RunningNats]:
    """The broker with nothing in it, whoever has sent what before; and nothing stays."""
    await forget(nats_server)
    yield nats_server
    await forget(nats_server)


@pytest.fixture(scope="session")
def redis_server(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[RunningRedis]:
    """A Redis of this run's own."""
    folder = tmp_path_factory.mktemp("redis")
    server, password = Redis(folder, "127.0.0.1", free_port()), secrets.token_hex(8)
    server.initialise(password)
    daemon = Daemon(server.command(), folder / "log", lambda: server.ready(password))
    daemon.start()
    yield RunningRedis(server, password, daemon.start, daemon.stop)
    daemon.stop()


@pytest.fixture
async def new_database(postgres: Postgres) -> AsyncIterator[NewDatabase]:
    """Databases for one test, dropped after it."""
    made: list[str] = []
    password = secrets.token_hex(8)

    async def create(template: str | None = None) -> str:
        name = f"test_{secrets.token_hex(6)}"
        if template is None:
            url = await postgres.ensure_database(name, password)
        else:
            connection = await asyncpg.connect(postgres.admin_url)
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            await connection.close()
            url = postgres.url("postgres", postgres.password, name)
        made.append(name)
        return url

    yield create
    connection = await asyncpg.connect(postgres.admin_url)
    for name in made:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.execute(f'DROP ROLE IF EXISTS "{name}"')
    await connection.close()


@pytest.fixture(scope="session")
def database_templates() -> dict[str, str]:
    """The migrated database of each package that was asked for, by its name; copied, never used."""
    return {}


@pytest.fixture
async def migrated_database(
    postgres: Postgres, new_database: NewDatabase, database_templates: dict[str, str]
) -> MigratedDatabase:
    """Fresh databases with a service's schema, in milliseconds: copies of one that was migrated once."""

    async def create(package: str) -> str:
        if package not in database_templates:
            name = f"template_{package.replace('.', '_')}"
            await migrate(await postgres.ensure_database(name, secrets.token_hex(8)), package)
            database_templates[package] = name
        return await new_database(template=database_templates[package])

    return create


@pytest.fixture(scope="session")
def token_mint() -> TokenMint:
    """Mints access tokens: `token_mint.headers(user_id=7)` is the Authorization header of user 7."""
    return TokenMint()


@pytest.fixture(scope="session")
def jwks_url(token_mint: TokenMint) -> Iterator[str]:
    """Where the keys of `token_mint` are served: an application's JWKS_URL."""
    with served(token_mint.jwks) as url:
        yield url


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this checkout."""
    return Path(__file__).resolve().parent.parent
