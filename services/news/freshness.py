"""How fresh the news are: from the moment a link is saved until its followers' timelines have it."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Histogram

from services.kit.events.consumer import Subscription
from services.kit.events.envelope import Event
from services.news.events import LINK_SAVED
from telemetry.metrics import exemplar

# Seconds. The outbox, the broker and Redis take a tenth; after a minute nobody calls it news.
FRESHNESS_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


def measured(
    subscriptions: tuple[Subscription, ...], registry: CollectorRegistry
) -> tuple[Subscription, ...]:
    """The same subscriptions; the age of a saved link is noted when its handler has written it."""
    freshness = Histogram(
        "news_freshness_seconds",
        "Time from a link's save until the timelines of its owner's followers have it.",
        buckets=FRESHNESS_BUCKETS_S,
        registry=registry,
    )

    def watched(subscription: Subscription) -> Subscription:
        async def handle(event: Event, data: Any) -> None:
            await subscription.handler(event, data)
            freshness.observe(max(0.0, time.time() - event.time.timestamp()), exemplar())

        return Subscription(subscription.event_type, subscription.kind, handle)

    return tuple(watched(one) if one.event_type == LINK_SAVED else one for one in subscriptions)
