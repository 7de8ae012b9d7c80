"""The news service composed: timelines in Redis, what changes them, what reads them."""

from __future__ import annotations

import datetime as dt

from starlette.applications import Starlette

from services.kit import run
from services.kit.app import create_app
from services.kit.events.bus import open_bus
from services.kit.events.consumer import Consumer, ConsumerMetrics
from services.kit.grpc.server import serving
from services.kit.resources import Resources
from services.news import api
from services.news.connection import open_redis
from services.news.deps import Deps, compose
from services.news.freshness import measured
from services.news.rebuilding import Keeper
from services.news.settings import NewsSettings
from services.news.watching import Bells, Watch

VERSION = "1"


def create(settings: NewsSettings) -> Starlette:
    """The ASGI application, which serves probes; gRPC is beside it. Raises InvalidSettings."""

    async def open_deps(resources: Resources) -> Deps:
        redis = await resources.enter("redis", open_redis(settings.redis_url, resources.registry))
        resources.watch("redis", redis.ping)
        builder = compose(settings, redis, resources.http)
        await resources.enter("keeper", Keeper(builder, resources.registry).running())
        if settings.nats_url:
            broker = await resources.enter(
                "broker", open_bus(settings.nats_url, "news", resources.registry, settings.nats_replicas)
            )
            metrics = ConsumerMetrics(resources.registry, "news")
            events = measured(builder.changes.subscriptions(), resources.registry)
            consumer = Consumer(broker, "news", events, metrics, resources.recorder)
            await resources.enter("consumer", consumer.running())
        bells = Bells(builder.news)
        await resources.enter("bells", bells.running())
        deps = Deps(builder.news, Watch(builder.news, bells, lambda: dt.datetime.now(dt.UTC)))
        await resources.enter("grpc", serving(api.METHODS, deps, settings, resources))
        return deps

    return create_app(service="news", version=VERSION, endpoints=(), open_deps=open_deps, settings=settings)


def main() -> None:
    """Serve, and exit."""
    run.main("services.news", NewsSettings, create)
