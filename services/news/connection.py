"""The connection to Redis: bounded in time, its faults told apart, scripts loaded when they are missing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import redis.asyncio
import redis.exceptions
from prometheus_client import CollectorRegistry
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from services.kit.errors import Unavailable
from services.kit.settings import InvalidSettings, Secret
from services.news import scripts
from telemetry.instrumentation.redis import TracedRedis
from telemetry.pools import watch_redis_pool

TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 1.0
# A connection that a restart broke is noticed when it is used: once more, on a new one.
RETRIES = 2
RETRY_S = 0.05
MAX_CONNECTIONS = 64
# Commands that go out together.
BATCH = 200

# What a trace calls the scripts, by what Redis calls them.
NAMES = {
    hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(): name.lower()
    for name, text in vars(scripts).items()
    if name.isupper()
}

Call = tuple[str, Sequence[str], Sequence[bytes | str | int]]


class Connection:
    """Scripts and commands; raises Unavailable while Redis is away or full."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        # Its own types leave open whether an answer is bytes or text; here it is bytes.
        self.client: Any = client
        self._scripts: dict[str, Any] = {}

    async def run(self, script: str, keys: Sequence[str], *arguments: bytes | str | int) -> Any:
        """What a script answers."""
        return (await self.run_all([(script, keys, arguments)]))[0]

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """What scripts answer, each on its own; many go out together."""
        answers: list[Any] = []
        for begin in range(0, len(calls), BATCH):
            batch = calls[begin : begin + BATCH]
            with translated():
                try:
                    answers += await self._send(batch)
                except redis.exceptions.NoScriptError:
                    # A Redis that lost its memory, or a new one. Those of the batch that ran may run twice.
                    for script in {script for script, _, _ in batch}:
                        await self.client.script_load(script)
                    answers += await self._send(batch)
        return answers

    async def _send(self, batch: Sequence[Call]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for script, keys, arguments in batch:
            pipeline.evalsha(self._digest(script), len(keys), *keys, *arguments)
        return list(await pipeline.execute())

    def _digest(self, script: str) -> str:
        if script not in self._scripts:
            self._scripts[script] = self.client.register_script(script).sha
        digest: str = self._scripts[script]
        return digest

    async def ping(self) -> None:
        with translated():
            await self.client.ping()


@contextmanager
def translated() -> Iterator[None]:
    """Redis' own troubles as Unavailable, which passes; a fault in a command as it is."""
    try:
        yield
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        raise Unavailable("the timelines cannot be reached") from error
    except redis.exceptions.ResponseError as error:
        if any(word in str(error) for word in ("OOM", "READONLY", "LOADING", "MISCONF", "MASTERDOWN")):
            raise Unavailable("the timelines cannot be written now") from error
        raise


@asynccontextmanager
async def open_redis(url: Secret, registry: CollectorRegistry | None = None) -> AsyncIterator[Connection]:
    """A connection that comes back when Redis does. Raises InvalidSettings for an address that is none."""
    if not url:
        raise InvalidSettings("REDIS_URL is missing")
    try:
        # Who finds no connection free waits for one.
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url.reveal(),
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            max_connections=MAX_CONNECTIONS,
            retry=Retry(ConstantBackoff(RETRY_S), RETRIES),
        )
        client = TracedRedis(connection_pool=pool, scripts=NAMES)
        client.auto_close_connection_pool = True
    except ValueError as error:
        raise InvalidSettings("REDIS_URL is not like redis://:password@host:6379/0") from error
    watch_redis_pool(
        registry,
        MAX_CONNECTIONS,
        used=lambda: len(pool._in_use_connections),
        idle=lambda: len(pool._available_connections),
    )
    try:
        yield Connection(client)
    finally:
        await client.aclose()
