"""A service as a process: `python -m services.NAME [migrate [--phase pre|post|all]]`.

Exit codes: 0 stopped as told, 1 failed, 2 wrong settings (one line on standard error says which).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import structlog
import uvicorn
import uvloop
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp

from services.kit import settings as settings_
from services.kit.app import Kit
from services.kit.background import background
from services.kit.migrate import InvalidMigration, migrate
from services.kit.serving.protocol import Protocol
from services.kit.settings import InvalidSettings, ServiceSettings
from telemetry import levels, logs
from telemetry.loop import watch_loop
from telemetry.metrics import Exposition
from telemetry.output import count_dropped

S = TypeVar("S", bound=ServiceSettings)

BACKLOG = 2_048

_log = structlog.get_logger(__name__)


def main(
    package: str, kind: type[S], create: Callable[[S], Starlette], arguments: Sequence[str] | None = None
) -> NoReturn:
    """Serve or migrate, as the command line says, and exit. `package` is the service's (`services.links`)."""
    parser = argparse.ArgumentParser(prog=f"python -m {package}")
    commands = parser.add_subparsers(dest="command", metavar="migrate")
    migrating = commands.add_parser("migrate", help="bring the database to the schema of this version")
    migrating.add_argument("--phase", choices=("pre", "post", "all"), default="all")
    chosen = parser.parse_args(arguments)
    service = package.rpartition(".")[2].replace("_", "-")
    try:
        if chosen.command == "migrate":
            # A migration needs the database and nothing else that the service is told.
            settings: ServiceSettings = settings_.load(ServiceSettings)
            logs.configure(settings.log_level, **_process(service, settings))
            _migrate(settings, package, chosen.phase)
        else:
            own = settings_.load(kind)
            logs.configure(own.log_level, **_process(service, own))
            _log.info("settings", **settings_.printable(own))
            _run(serve(create(own), own))
    except InvalidSettings as error:
        _fail(2, f"{package}: {error}")
    except (InvalidMigration, asyncpg.PostgresError, OSError) as error:
        _fail(1, f"{package}: {error}")
    sys.exit(0)


def _process(service: str, settings: ServiceSettings) -> dict[str, str]:
    """What every line of this process says of it."""
    pod = {"pod": settings.pod_name} if settings.pod_name else {}
    return {"service": service, "version": settings.service_version, **pod}


def _fail(code: int, sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.exit(code)


def _run(work: object) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)  # type: ignore[arg-type]


def _migrate(settings: ServiceSettings, package: str, phase: str) -> None:
    if not settings.database_url:
        raise InvalidSettings("DATABASE_URL is missing")
    applied = asyncio.run(migrate(settings.database_url.reveal(), package, phase))  # type: ignore[arg-type]
    _log.info("schema is current", package=package, phase=phase, applied=len(applied))


async def serve(app: Starlette, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT; then not ready, a delay, the end of the requests, of the resources."""
    kit: Kit = app.state.kit
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    actions = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set}
    actions |= {signal.SIGUSR1: levels.louder, signal.SIGUSR2: levels.quieter}
    for number, action in actions.items():
        loop.add_signal_handler(number, action)
    applications: dict[str, tuple[int, ASGIApp]] = {"http": (settings.port, app)}
    applications |= {f"port {port}": (port, other) for port, other in kit.listeners.items()}
    # Metrics stay until the very end: the last requests are counted too.
    async with (
        _listening({"metrics": (settings.metrics_port, Exposition(kit.registry))}, settings),
        background(*watches(kit.registry, settings)),
        app.router.lifespan_context(app),
        _listening(applications, settings),
    ):
        await stop.wait()
        kit.running.draining = True
        kit.resources.draining.set()
        _log.info("draining", delay_s=settings.drain_delay_s)
        await asyncio.sleep(settings.drain_delay_s)
    _log.info("stopped")


def watches(registry: CollectorRegistry, settings: ServiceSettings) -> Iterator[Coroutine[Any, Any, None]]:
    """What looks after the process itself as long as it runs."""
    count_dropped(registry, logs.outputs)
    yield watch_loop(registry)
    if settings.log_level_file:
        yield levels.follow_file(Path(settings.log_level_file))


@asynccontextmanager
async def _listening(
    applications: dict[str, tuple[int, ASGIApp]], settings: ServiceSettings
) -> AsyncIterator[None]:
    servers = []
    tasks = []
    for name, (port, app) in applications.items():
        listener = _bind(settings.host, port)
        server = _Server(_config(app, settings))
        servers.append(server)
        tasks.append(asyncio.create_task(server.serve([listener])))
        _log.info("listening", port_name=name, host=settings.host, port=listener.getsockname()[1])
    try:
        yield
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: it would end the process by the signal, and too soon."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _config(app: ASGIApp, settings: ServiceSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=Protocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
