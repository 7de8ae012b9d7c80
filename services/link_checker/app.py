"""The link checker composed: its settings, the loop, the consumer, its one operation."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from services.kit import run
from services.kit.app import create_app
from services.kit.events.consumer import Consumer, ConsumerMetrics
from services.kit.events.outbox import publish_from
from services.kit.resources import Resources
from services.link_checker import api, consuming
from services.link_checker.api import Deps
from services.link_checker.backfill import Backfill
from services.link_checker.backfill_store import BackfillStore
from services.link_checker.checking import Checking
from services.link_checker.fetching.addresses import Guard
from services.link_checker.fetching.fetcher import Fetcher
from services.link_checker.fetching.resolver import SystemResolver
from services.link_checker.fetching.robots import Robots
from services.link_checker.fetching.turns import Turns
from services.link_checker.fetching.visits import Visits
from services.link_checker.metrics import Metrics
from services.link_checker.pages import BURST_S, LIMITS, Bucket, Pages
from services.link_checker.refs_store import RefsStore
from services.link_checker.settings import CheckerSettings
from services.link_checker.store import CheckStore

Clock = Callable[[], dt.datetime]

VERSION = "1"
ENDPOINTS = api.ENDPOINTS


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@asynccontextmanager
async def fetchers(guard: Guard, user_agent: str) -> AsyncIterator[tuple[Fetcher, Fetcher]]:
    """One for checks, one for whoever waits; each with threads of its own to ask DNS."""
    checks, waiting = SystemResolver(), SystemResolver()
    try:
        yield (
            Fetcher(guard, checks, user_agent=user_agent),
            Fetcher(guard, waiting, LIMITS, user_agent=user_agent),
        )
    finally:
        checks.close()
        waiting.close()


def create(settings: CheckerSettings, clock: Clock = utc_now) -> Starlette:
    """The ASGI application, in the time that `clock` gives; raises InvalidSettings."""
    guard = settings.guard()

    async def open_deps(resources: Resources) -> Deps:
        metrics = Metrics(resources.registry)
        checks, waiting = await resources.enter("fetchers", fetchers(guard, settings.user_agent()))
        refs = RefsStore(resources.database)
        await _follow(resources, settings, refs, clock)
        visits = Visits(
            checks,
            Robots(checks, time.monotonic),
            Turns(),
            lambda: clock().timestamp(),
            settings.host_pause_s,
        )
        checking = Checking(
            CheckStore(resources.database),
            visits,
            settings.schedule(),
            metrics,
            clock,
            settings.max_checks,
            dt.timedelta(seconds=settings.host_pause_s),
        )
        await resources.enter("checking", checking.running(), ping=checking.ping)
        bucket = Bucket(settings.pages_per_s, settings.pages_per_s * BURST_S)
        pages = Pages(waiting, bucket, settings.max_pages, metrics)

        def obey(_: CheckerSettings, after: CheckerSettings) -> None:
            checking.places, pages.places = after.max_checks, after.max_pages

        resources.live.follow(obey)
        return Deps(
            pages,
            Backfill(BackfillStore(resources.database), refs, clock),
        )

    return create_app(
        service="link-checker", version=VERSION, endpoints=ENDPOINTS, open_deps=open_deps, settings=settings
    )


def main() -> None:
    """Serve, and exit."""
    run.main("services.link_checker", CheckerSettings, create)


async def _follow(resources: Resources, settings: CheckerSettings, refs: RefsStore, clock: Clock) -> None:
    """Publish outcomes, and hear of links and accounts, when there is a broker."""
    broker = await publish_from(resources, settings, "link-checker")
    if broker is not None:
        metrics = ConsumerMetrics(resources.registry, consuming.CONSUMER)
        events = consuming.subscriptions(refs, clock)
        consumer = Consumer(broker, consuming.CONSUMER, events, metrics, resources.recorder)
        await resources.enter("consumer", consumer.running())
