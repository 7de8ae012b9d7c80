"""Redis: a span for every command or pipeline, by its name; neither keys nor values are recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import redis.asyncio
import redis.asyncio.client
from opentelemetry.trace import SpanKind

from telemetry.recording import Recorder
from telemetry.traces import current_recorder, ended


class TracedRedis(redis.asyncio.Redis):
    """A client whose commands are spans; `scripts` gives the names of scripts by their SHA-1 digest."""

    def __init__(self, *args: Any, scripts: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.scripts = scripts or {}

    def execute_command(self, *args: Any, **options: Any) -> Any:
        work = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        recorder = current_recorder()
        return work if recorder is None else _spanned(recorder, self, [args], self.scripts, work)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> TracedPipeline:
        made = TracedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.names = self.scripts
        return made


class TracedPipeline(redis.asyncio.client.Pipeline):
    """Commands that go out together: one span."""

    names: Mapping[str, str]

    def execute(self, raise_on_error: bool = True) -> Any:
        work = super().execute(raise_on_error)
        recorder = current_recorder()
        if recorder is None or not self.command_stack:
            return work
        return _spanned(recorder, self, [command for command, _ in self.command_stack], self.names, work)


async def _spanned(
    recorder: Recorder,
    client: redis.asyncio.Redis,
    commands: Sequence[tuple[Any, ...]],
    scripts: Mapping[str, str],
    work: Awaitable[Any],
) -> Any:
    name, attributes = _described(commands, scripts)
    attributes |= _server(client)
    with ended(recorder.child(name, SpanKind.CLIENT, attributes)):
        return await work


def _described(
    commands: Sequence[tuple[Any, ...]], scripts: Mapping[str, str]
) -> tuple[str, dict[str, str | int]]:
    """The name of a span, and what is to be said of commands that go out together."""
    operations = {str(command[0]).upper() for command in commands}
    operation = operations.pop() if len(operations) == 1 else ""
    name = f"PIPELINE {operation}".rstrip() if len(commands) > 1 else operation
    known: dict[str, str | int] = {"db.system.name": "redis", "db.operation.name": name}
    if len(commands) > 1:
        known["db.operation.batch.size"] = len(commands)
    if operation == "EVALSHA" and len({command[1] for command in commands}) == 1:
        digest = str(commands[0][1])
        known["db.stored_procedure.name"] = scripts.get(digest, digest)
        name = f"{name} {known['db.stored_procedure.name']}"
    return name, known


def _server(client: redis.asyncio.Redis) -> dict[str, str | int]:
    told = client.connection_pool.connection_kwargs
    known = {
        "server.address": told.get("host") or told.get("path"),
        "server.port": told.get("port"),
        "db.namespace": str(told.get("db", 0)),
    }
    return {key: value for key, value in known.items() if value}
