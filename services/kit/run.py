"""A service as a process: served until it is told to stop, and then in good order."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.types import ASGIApp

from services.kit.app import Kit
from services.kit.background import background
from services.kit.live.file import ConfigFile
from services.kit.process import begin, ending
from services.kit.serving.protocol import Protocol
from services.kit.settings import ServiceSettings, printable
from telemetry import levels, logs
from telemetry.loop import watch_loop
from telemetry.metrics import Exposition
from telemetry.output import count_dropped

S = TypeVar("S", bound=ServiceSettings)

BACKLOG = 2_048
# Objects made before the young ones are looked at for cycles. Python's own 700 are those of a few requests,
# which are still being answered then: an eighth of a list's time went into that.
YOUNG_OBJECTS = 10_000

_log = structlog.get_logger(__name__)


def main(package: str, kind: type[S], create: Callable[[S], Starlette]) -> None:
    """Serve, and exit. `package` is the service's (`services.links`)."""
    with ending(package, asyncpg.PostgresError, OSError):
        settings = begin(package, kind)
        _log.info("settings", **printable(settings))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(create(settings), settings))


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
        background(*watches(kit, settings)),
        app.router.lifespan_context(app),
        _listening(applications, settings),
    ):
        _settle()
        await stop.wait()
        kit.running.draining = True
        kit.resources.draining.set()
        _log.info("draining", delay_s=settings.drain_delay_s)
        await asyncio.sleep(settings.drain_delay_s)
    _log.info("stopped")


def watches(kit: Kit, settings: ServiceSettings) -> Iterator[Coroutine[Any, Any, None]]:
    """What looks after the process itself as long as it runs."""
    count_dropped(kit.registry, logs.outputs)
    yield watch_loop(kit.registry)
    if settings.runtime_config_file:
        file = ConfigFile(Path(settings.runtime_config_file), kit.resources.live)
        file.look()
        yield file.followed()
    if settings.log_level_file:
        yield levels.follow_file(Path(settings.log_level_file))


def _settle() -> None:
    """What the process has loaded stays for good: the garbage collector need not look at it any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


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
