"""What the broker's monitoring port says: of the server, and of each stream and consumer of JetStream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
from prometheus_client.core import Metric

from telemetry.exporters.families import Labels, count, gauge, one

TIMEOUT_S = 3.0
Json = dict[str, Any]

SERVER_GAUGES = ("connections", "subscriptions", "mem", "cpu")
SERVER_COUNTERS = ("in_msgs", "out_msgs", "in_bytes", "out_bytes", "slow_consumers", "total_connections")
STREAM = {
    "messages": "total_messages",
    "bytes": "total_bytes",
    "consumer_count": "consumer_count",
    "last_seq": "last_seq",
}
CONSUMER = ("num_pending", "num_ack_pending", "num_redelivered", "num_waiting")


async def collect(url: str) -> list[Metric]:
    """The metrics of this moment."""
    try:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
            server = (await client.get("/varz")).raise_for_status().json()
            parameters = {"streams": "true", "consumers": "true"}
            streams = (await client.get("/jsz", params=parameters)).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return [gauge("nats_up", "Whether NATS answers.", one(0))]
    return [
        gauge("nats_up", "Whether NATS answers.", one(1)),
        *(
            gauge(f"gnatsd_varz_{name}", "As /varz has it.", one(server.get(name, 0)))
            for name in SERVER_GAUGES
        ),
        *(
            count(f"gnatsd_varz_{name}", "As /varz has it.", one(server.get(name, 0)))
            for name in SERVER_COUNTERS
        ),
        gauge(
            "jetstream_server_total_message_bytes", "Bytes of messages kept.", one(streams.get("bytes", 0))
        ),
        *_streams(list(_each(streams))),
    ]


def _each(answer: Json) -> Iterator[Json]:
    for account in answer.get("account_details") or []:
        yield from account.get("stream_detail") or []


def _streams(streams: list[Json]) -> Iterator[Metric]:
    for field, name in STREAM.items():
        yield gauge(
            f"jetstream_stream_{name}",
            "As the state of the stream has it.",
            [({"stream_name": stream["name"]}, stream["state"].get(field, 0)) for stream in streams],
        )
    consumers = [
        ({"stream_name": stream["name"], "consumer_name": consumer["name"]}, consumer)
        for stream in streams
        for consumer in stream.get("consumer_detail") or []
    ]
    for field in CONSUMER:
        rows: list[tuple[Labels, float]] = [(labels, told.get(field, 0)) for labels, told in consumers]
        yield gauge(f"jetstream_consumer_{field}", "As the consumer's information has it.", rows)
    delivered: list[tuple[Labels, float]] = [
        (labels, (told.get("delivered") or {}).get("stream_seq", 0)) for labels, told in consumers
    ]
    yield gauge("jetstream_consumer_delivered_stream_seq", "Newest message delivered.", delivered)
