"""The chart's NATS and Redis take their configuration and passwords, and each user has its own rights."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import nats
import nats.errors
import nats.js.errors
import pytest
import redis.asyncio
import redis.exceptions
import yaml
from nats.aio.client import Client

from delinkcious import chart, local
from delinkcious.stores.nats import Nats, binary
from delinkcious.stores.redis import binary as redis_binary
from services.kit.events.bus import DEAD_LETTERS, EVENTS, open_bus
from services.kit.settings import Secret

pytestmark = pytest.mark.anyio

Manifest = dict[str, Any]
WITHIN_S = 30.0
BUNDLED: Manifest = {"stores": {"bundled": True}}
CLUSTER: Manifest = {"stores": {"bundled": True, "nats": {"replicas": 3}}}


def of_kind(kind: str, name: str, values: Manifest) -> Manifest:
    documents = [document for document in yaml.safe_load_all(chart.render(values)) if document]
    found: list[Manifest] = [d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found[0]


def variables(container: Manifest, secret: str) -> dict[str, str]:
    """A container's environment, every password being `secret`; `$(NAME)` is put in as Kubernetes does."""
    found: dict[str, str] = {}
    for variable in container["env"]:
        value = str(variable.get("value", secret))
        for name, text in found.items():
            value = value.replace(f"$({name})", text)
        found[variable["name"]] = value
    return found


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=WITHIN_S)


async def until(done: Callable[[], Any]) -> Any:
    async def tried() -> Any:
        while True:
            try:
                return await done()
            except (OSError, nats.errors.Error, nats.js.errors.Error, redis.exceptions.RedisError):
                await asyncio.sleep(0.05)

    return await asyncio.wait_for(tried(), WITHIN_S)


@asynccontextmanager
async def connected(port: int, user: str, password: str) -> AsyncIterator[Client]:
    refused: list[str] = []

    async def noted(error: Exception) -> None:
        refused.append(str(error))

    async def attempt() -> Client:
        return await nats.connect(
            f"nats://127.0.0.1:{port}", user=user, password=password, inbox_prefix=f"_INBOX.{user}",
            error_cb=noted, allow_reconnect=False,
        )  # fmt: skip

    client = await until(attempt)
    refused.clear()
    client.refused = refused
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def server(
    values: Manifest, number: int, ports: list[dict[str, int]], folder: Path, secret: str
) -> Iterator[None]:
    """Server `number` of the chart's, on this machine: other ports and folders, all else as rendered."""
    home, port = folder / str(number), ports[number]
    home.mkdir()
    text = of_kind("ConfigMap", "nats", values)["data"]["nats.conf"]
    for before, after in (
        ("port: 4222", f"host: 127.0.0.1\nport: {port['client']}"),
        ("http_port: 8222", f'http: "127.0.0.1:{port["http"]}"'),
        ("port: 6222", f"host: 127.0.0.1\n  port: {port['routes']}"),
        ("/data", str(home)),
        ("/run/nats", str(home)),
    ):
        text = text.replace(before, after)
    (home / "nats.conf").write_text(text)
    (container,) = of_kind("StatefulSet", "nats", values)["spec"]["template"]["spec"]["containers"]
    environment = {**os.environ, **variables(container, secret), "POD_NAME": f"nats-{number}"}
    arguments = [
        str(home / "nats.conf") if part == "/etc/nats/nats.conf" else part for part in container["args"]
    ]
    arguments = [part.replace("$(CLUSTER_SECRET)", secret) for part in arguments]
    for other, its in enumerate(ports):
        arguments = [
            part.replace(f"nats-{other}.nats-peers:6222", f"127.0.0.1:{its['routes']}") for part in arguments
        ]
    with running([binary(), *arguments], environment, home / "log"):
        yield


def some_ports(free_port: Callable[[], int]) -> dict[str, int]:
    return {name: free_port() for name in ("client", "http", "routes")}


async def test_a_service_publishes_its_own_events_and_nobody_elses(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    ports = [some_ports(free_port)]
    # NATS would take such a text for a number, were it not in quotes.
    with server(BUNDLED, 0, ports, tmp_path, "12e4567"):
        async with connected(ports[0]["client"], "links", "12e4567") as client:
            await client.publish("events.1.delinkcious.link.saved", b"own")
            await client.publish("events.1.delinkcious.user.deleted", b"somebody else's")
            await client.flush()
            refused: list[str] = client.refused  # type: ignore[attr-defined]
            async with asyncio.timeout(WITHIN_S):
                while not refused:  # noqa: ASYNC110 - the client tells it beside its answers
                    await asyncio.sleep(0.02)
            assert len(refused) == 1 and "events.1.delinkcious.user.deleted" in refused[0]


def test_the_rights_are_those_of_the_local_mesh(tmp_path: Path) -> None:
    Nats(tmp_path, "127.0.0.1", 4222, 8222).initialise(
        dict.fromkeys(local.BROKER_USERS, "x"), local.PUBLISHERS
    )
    (written,) = tmp_path.glob("*.json")
    wanted = {
        user["user"]: [user["permissions"]["publish"]["allow"], user["permissions"]["subscribe"]["allow"]]
        for user in json.loads(written.read_text())["authorization"]["users"]
    }
    text = of_kind("ConfigMap", "nats", BUNDLED)["data"]["nats.conf"]
    found = {}
    for block in text.split("user: ")[1:]:
        lists = [
            line.partition("allow: ")[2].rstrip(" }") for line in block.splitlines() if "allow: " in line
        ]
        found[block.split()[0]] = [json.loads(text) for text in lists]
    assert found == wanted


@pytest.mark.slow
async def test_three_are_one_cluster_that_keeps_a_stream_three_times(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    ports = [some_ports(free_port) for _ in range(3)]
    with (
        server(CLUSTER, 0, ports, tmp_path, "secret-1"),
        server(CLUSTER, 1, ports, tmp_path, "secret-1"),
        server(CLUSTER, 2, ports, tmp_path, "secret-1"),
    ):
        url = Secret(f"nats://operator:secret-1@127.0.0.1:{ports[0]['client']}")
        # A service that knows of one server only takes nothing back.
        for replicas in (3, 1):
            async with open_bus(url, "operator", replicas=replicas) as bus, asyncio.timeout(WITHIN_S):
                jetstream = await bus.connected()
                for name in (EVENTS, DEAD_LETTERS):
                    assert (await jetstream.stream_info(name)).config.num_replicas == 3
                acknowledged = await until(lambda: jetstream.publish("replay.x", b"kept"))  # noqa: B023
                assert acknowledged.seq >= 1


@contextmanager
def redis_pod(ordinal: int, port: int, folder: Path, primary: int | None) -> Iterator[None]:
    """Redis as a pod of the chart's starts it, on this machine."""
    home = folder / str(ordinal)
    home.mkdir()
    data = of_kind("ConfigMap", "redis", BUNDLED)["data"]
    config = (
        data["redis.conf"].replace("port 6379", f"bind 127.0.0.1\nport {port}").replace("/data", str(home))
    )
    # An older Redis, as the wheel has it, knows the name of before.
    (home / "configured").write_text(config.replace("listpack", "ziplist"))
    script = home / "redis.sh"
    script.write_text(data["redis.sh"].replace(" 6379\\n", f" {primary}\\n"))
    environment = {
        "PATH": f"{Path(redis_binary()).parent}:{os.environ['PATH']}",
        "POD_NAME": f"redis-{ordinal}",
        "REDIS_PASSWORD": "first",
        "MONITOR_PASSWORD": "second",
        "CONFIG": str(home / "configured"),
        "RUN": str(home),
    }
    if primary is not None:
        environment["PRIMARY"] = "127.0.0.1" if ordinal else "redis-0.redis-peers"
    with running(["sh", str(script)], environment, home / "log"):
        yield


@pytest.mark.slow
async def test_redis_asks_for_its_password_and_its_replica_copies_it(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    first, second = free_port(), free_port()
    with redis_pod(0, first, tmp_path, first), redis_pod(1, second, tmp_path, first):
        async with (
            redis.asyncio.Redis(port=first, password="first") as primary,
            redis.asyncio.Redis(port=second, password="first") as replica,
        ):
            await until(lambda: primary.set("timeline", "kept"))

            async def copied() -> object:
                if found := await replica.get("timeline"):
                    return found
                raise redis.exceptions.ConnectionError("not yet")

            assert await until(copied) == b"kept"
        async with redis.asyncio.Redis(port=first) as stranger:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await stranger.ping()
        async with redis.asyncio.Redis(port=first, username="monitoring", password="second") as monitor:
            assert (await monitor.info())["redis_version"]
            with pytest.raises(redis.exceptions.NoPermissionError):
                await monitor.get("timeline")
