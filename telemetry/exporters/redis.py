"""Redis' `INFO`, by a user that may say nothing else."""

from __future__ import annotations

from typing import Any

import redis.asyncio
import redis.exceptions
from prometheus_client.core import Metric

from telemetry.exporters.families import Labels, count, gauge, one

TIMEOUT_S = 3.0

# field of INFO -> name, what it is
GAUGES = {
    "connected_clients": ("redis_connected_clients", "Connections."),
    "blocked_clients": ("redis_blocked_clients", "Connections that wait for data."),
    "used_memory": ("redis_memory_used_bytes", "Bytes in use."),
    "maxmemory": ("redis_memory_max_bytes", "Bytes at most; 0 is no limit."),
    "mem_fragmentation_ratio": ("redis_mem_fragmentation_ratio", "Resident bytes per byte in use."),
    "uptime_in_seconds": ("redis_uptime_in_seconds", "Seconds since its start."),
    "connected_slaves": ("redis_connected_slaves", "Replicas."),
}
COUNTERS = {
    "total_commands_processed": ("redis_commands_processed_total", "Commands."),
    "total_connections_received": ("redis_connections_received_total", "Connections taken."),
    "rejected_connections": ("redis_rejected_connections_total", "Connections refused for want of room."),
    "keyspace_hits": ("redis_keyspace_hits_total", "Keys that were there."),
    "keyspace_misses": ("redis_keyspace_misses_total", "Keys that were not there."),
    "evicted_keys": ("redis_evicted_keys_total", "Keys dropped for want of memory."),
    "expired_keys": ("redis_expired_keys_total", "Keys whose time was over."),
    "total_net_input_bytes": ("redis_net_input_bytes_total", "Bytes received."),
    "total_net_output_bytes": ("redis_net_output_bytes_total", "Bytes sent."),
}


async def collect(url: str) -> list[Metric]:
    """The metrics of this moment."""
    client = redis.asyncio.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        info: dict[str, Any] = await client.info("everything")
    except (redis.exceptions.RedisError, OSError):
        return [gauge("redis_up", "Whether Redis answers.", one(0))]
    finally:
        await client.aclose()
    found = [gauge("redis_up", "Whether Redis answers.", one(1))]
    found += [gauge(name, what, one(info[key])) for key, (name, what) in GAUGES.items() if key in info]
    found += [count(name, what, one(info[key])) for key, (name, what) in COUNTERS.items() if key in info]
    written = float(info.get("aof_last_write_status", "ok") == "ok")
    found.append(
        gauge("redis_aof_last_write_status", "Whether the last write to the disk worked.", one(written))
    )
    return [*found, *_databases(info), *_commands(info)]


def _databases(info: dict[str, Any]) -> list[Metric]:
    rows = [
        ({"db": key}, value["keys"])
        for key, value in info.items()
        if key.startswith("db") and key[2:].isdigit() and isinstance(value, dict)
    ]
    return [gauge("redis_db_keys", "Keys.", rows)]


def _commands(info: dict[str, Any]) -> list[Metric]:
    calls: list[tuple[Labels, float]] = []
    seconds: list[tuple[Labels, float]] = []
    for key, value in info.items():
        if key.startswith("cmdstat_") and isinstance(value, dict):
            labels = {"cmd": key.removeprefix("cmdstat_")}
            calls.append((labels, value["calls"]))
            seconds.append((labels, value["usec"] / 1e6))
    return [
        count("redis_commands_total", "Calls of each command.", calls),
        count("redis_commands_duration_seconds_total", "Time in each command.", seconds),
    ]
