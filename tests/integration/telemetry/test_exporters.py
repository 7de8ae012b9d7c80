"""What the stores say of themselves: asked of real ones, by who may ask for nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
import redis.asyncio
import redis.exceptions
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from delinkcious.stores.postgres import Postgres
from delinkcious.stores.redis import Redis
from telemetry.exporters import nats
from telemetry.exporters import postgres as postgres_exporter
from telemetry.exporters import redis as redis_exporter
from telemetry.exporters.__main__ import Collect, application
from tests.conftest import Daemon, RunningNats

pytestmark = pytest.mark.anyio
Samples = dict[str, list[tuple[dict[str, str], float]]]
PASSWORD = "look-at-numbers"


async def scraped(url: str, collect: Collect) -> Samples:
    """What Prometheus would read of a store, by name."""
    runner = web.AppRunner(application(url, collect), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{host}:{port}/metrics")
        assert answer.status_code == 200, answer.text
    finally:
        await runner.cleanup()
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


@pytest.fixture
async def monitor(postgres: Postgres) -> str:
    """The URL of a role that may look at statistics."""
    return await postgres.ensure_monitor("monitoring", PASSWORD)


async def test_postgres_tells_of_each_database(postgres: Postgres, monitor: str) -> None:
    samples = await scraped(monitor, postgres_exporter.collect)
    assert samples["pg_up"] == [({}, 1)]
    sizes = {labels["datname"]: value for labels, value in samples["pg_database_size_bytes"]}
    assert sizes["postgres"] > 1_000_000
    assert samples["pg_settings_max_connections"] == [({}, 100)]
    assert all(value >= 0 for _, value in samples["pg_stat_database_xact_commit"])
    states = {labels["state"] for labels, _ in samples["pg_stat_activity_count"]}
    assert "active" in states


async def test_who_looks_at_statistics_cannot_look_at_rows(postgres: Postgres, monitor: str) -> None:
    name = f"closed_{secrets.token_hex(4)}"
    await postgres.ensure_database(name, "its-own")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url("monitoring", PASSWORD, name), timeout=5)
    connection = await asyncpg.connect(monitor, timeout=5)
    try:
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("CREATE TABLE taken (id int)")
    finally:
        await connection.close()


@pytest.fixture
def own_redis(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Redis]:
    server = Redis(tmp_path, "127.0.0.1", free_port())
    server.initialise("everything", ("monitoring", PASSWORD))
    daemon = Daemon(server.command(), tmp_path / "log", lambda: server.ready("everything"))
    daemon.start()
    yield server
    daemon.stop()


async def test_redis_tells_its_numbers_and_no_key(own_redis: Redis) -> None:
    owner = redis.asyncio.Redis.from_url(own_redis.url("everything"))
    await owner.set("timeline", "private")
    await owner.aclose()
    url = own_redis.url(PASSWORD, "monitoring")
    samples = await scraped(url, redis_exporter.collect)
    assert samples["redis_up"] == [({}, 1)]
    assert samples["redis_db_keys"] == [({"db": "db0"}, 1)]
    commands = {labels["cmd"]: value for labels, value in samples["redis_commands_total"]}
    assert commands["set"] == 1
    watcher = redis.asyncio.Redis.from_url(url)
    with pytest.raises(redis.exceptions.ResponseError):
        await watcher.get("timeline")
    await watcher.aclose()


async def test_nats_tells_of_itself(nats_server: RunningNats) -> None:
    server = nats_server.server
    samples = await scraped(f"http://{server.host}:{server.monitoring_port}", nats.collect)
    assert samples["nats_up"] == [({}, 1)]
    assert samples["gnatsd_varz_mem"][0][1] > 0


@pytest.mark.parametrize(
    ("url", "collect", "up"),
    [
        ("postgresql://x:y@127.0.0.1:1/postgres", postgres_exporter.collect, "pg_up"),
        ("redis://x:y@127.0.0.1:1/0", redis_exporter.collect, "redis_up"),
        ("http://127.0.0.1:1", nats.collect, "nats_up"),
    ],
)
async def test_a_store_that_is_away_is_told_as_down(url: str, collect: Collect, up: str) -> None:
    assert await scraped(url, collect) == {up: [({}, 0)]}
