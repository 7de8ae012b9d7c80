"""The age of news when they are written."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.kit.errors import Unavailable
from services.kit.events.consumer import Subscription
from services.kit.events.envelope import Event
from services.news.events import FOLLOWED, LINK_SAVED
from services.news.freshness import measured

pytestmark = pytest.mark.anyio

COUNT, SUM = "news_freshness_seconds_count", "news_freshness_seconds_sum"


def saved(age_s: float) -> Event:
    return Event(
        specversion="1.0",
        id="1",
        source="/delinkcious/links",
        type=LINK_SAVED,
        time=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_s),
        partitionkey="7",
        sequence="1",
        data=msgspec.Raw(b"{}"),
    )


async def test_a_link_counts_with_its_age_once_it_is_written_and_nothing_else_does() -> None:
    registry = CollectorRegistry()
    handled: list[Any] = []
    away = [True]

    async def handle(event: Event, data: Any) -> None:
        if away[0]:
            raise Unavailable("the timelines cannot be reached")
        handled.append(data)

    link, follow = measured(
        (Subscription(LINK_SAVED, dict, handle), Subscription(FOLLOWED, dict, handle)), registry
    )
    with pytest.raises(Unavailable):
        await link.handler(saved(3), "a")
    assert registry.get_sample_value(COUNT) == 0
    away[0] = False
    await link.handler(saved(3), "b")
    await link.handler(saved(-5), "from a clock that is ahead")
    await follow.handler(saved(3), "c")
    assert handled == ["b", "from a clock that is ahead", "c"]
    assert registry.get_sample_value(COUNT) == 2
    assert registry.get_sample_value(SUM) == pytest.approx(3, abs=0.5)
