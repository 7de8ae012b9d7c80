"""What is told of pools, peers and the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from services.kit.background import background
from telemetry.loop import watch_loop
from telemetry.pools import MAX_PEERS, OTHER_PEER, HttpClientMetrics, watch_broker, watch_redis_pool

pytestmark = pytest.mark.anyio

CALLS = "http_client_request_duration_seconds_count"


def test_a_call_occupies_a_connection_and_is_counted_by_how_it_ended() -> None:
    registry = CollectorRegistry()
    metrics = HttpClientMetrics(registry, 200)
    with metrics.call("links", "GET") as outcome:
        assert registry.get_sample_value("http_client_connections", {"peer": "links"}) == 1
        outcome.status = "200"
    with pytest.raises(OSError, match="gone"), metrics.call("links", "GET") as outcome:
        outcome.status = "unreachable"
        raise OSError("gone")
    with pytest.raises(asyncio.CancelledError), metrics.call("links", "GET"):
        raise asyncio.CancelledError
    assert registry.get_sample_value("http_client_connections", {"peer": "links"}) == 0
    assert registry.get_sample_value("http_client_connections_limit") == 200
    for status in ("200", "unreachable", "cancelled"):
        labels = {"peer": "links", "method": "GET", "status": status}
        assert registry.get_sample_value(CALLS, labels) == 1


def test_peers_without_end_are_one_peer() -> None:
    registry = CollectorRegistry()
    metrics = HttpClientMetrics(registry, 200)
    for number in range(3 * MAX_PEERS):
        with metrics.call(f"host{number}.example", "GET") as outcome:
            outcome.status = "200"
    labels = {"peer": OTHER_PEER, "method": "GET", "status": "200"}
    assert registry.get_sample_value(CALLS, labels) == 2 * MAX_PEERS
    (connections,) = (family for family in registry.collect() if family.name == "http_client_connections")
    assert len(connections.samples) == MAX_PEERS + 1


def test_pools_are_looked_at_when_they_are_asked_for() -> None:
    registry = CollectorRegistry()
    state = {"used": 3, "idle": 2}
    up = [True]
    watch_redis_pool(registry, 64, used=lambda: state["used"], idle=lambda: state["idle"])
    watch_broker(registry, lambda: up[0])
    assert registry.get_sample_value("redis_pool_connections", {"state": "used"}) == 3
    assert registry.get_sample_value("redis_pool_connections", {"state": "idle"}) == 2
    assert registry.get_sample_value("redis_pool_limit") == 64
    assert registry.get_sample_value("nats_connected") == 1
    up[0], state["used"] = False, 0
    assert registry.get_sample_value("nats_connected") == 0
    assert registry.get_sample_value("redis_pool_connections", {"state": "used"}) == 0


async def test_what_blocks_the_loop_is_seen() -> None:
    registry = CollectorRegistry()
    async with background(watch_loop(registry)):
        await asyncio.sleep(0)
        time.sleep(0.4)  # noqa: ASYNC251 - what nobody should do
        async with asyncio.timeout(30):
            while not registry.get_sample_value("event_loop_lag_seconds_count"):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
    total = registry.get_sample_value("event_loop_lag_seconds_sum")
    assert total is not None
    assert total >= 0.25
