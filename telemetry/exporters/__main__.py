"""`python -m telemetry.exporters`: answers Prometheus for the three stores until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from telemetry.exporters import nats, postgres, redis, settings

Collect = Callable[[str], Awaitable[list[Metric]]]

# As the exporters of these stores have them by default.
PORTS: dict[str, tuple[int, Collect]] = {
    "postgres": (9187, postgres.collect),
    "redis": (9121, redis.collect),
    "nats": (7777, nats.collect),
}
WITHIN_S = 4.0


class Collected:
    """Metrics that were collected already, as a registry wants them."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def application(url: str, collect: Collect) -> web.Application:
    """`GET /metrics` of one store."""

    async def metrics(_: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await collect(url)
        except TimeoutError:
            return web.Response(status=504, text="the store does not answer in time")
        registry = CollectorRegistry()
        registry.register(Collected(found))
        headers = {"content-type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(registry), headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app


async def serve() -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runners = []
    try:
        for store, (port, collect) in PORTS.items():
            runner = web.AppRunner(application(settings.url(store), collect), access_log=None)
            runners.append(runner)
            await runner.setup()
            await web.TCPSite(runner, settings.listen(), port).start()
        await ended.wait()
    finally:
        for runner in runners:
            await runner.cleanup()


def main() -> int:
    try:
        asyncio.run(serve())
    except settings.InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot listen: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
