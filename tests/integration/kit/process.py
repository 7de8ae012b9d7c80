"""The sample service as a process of its own: its environment, its log lines, its ports."""

from __future__ import annotations

import json
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PACKAGE = "tests.integration.kit.sample"
ROOT = Path(__file__).resolve().parents[3]


class Service:
    """A process of the sample service; its log lines as they came."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def line(self, event: str) -> dict[str, Any]:
        """The next log line with this event."""
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            self.lines.append(json.loads(raw))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"no line {event!r} in {self.lines}")

    async def ports(self, *names: str) -> dict[str, int]:
        found: dict[str, int] = {}
        while set(found) != set(names):
            line = await self.line("listening")
            found[line["port_name"]] = line["port"]
        return found


async def start(environment: dict[str, str], *arguments: str) -> Service:
    command = [sys.executable, "-m", PACKAGE, *arguments]
    return Service(
        await create_subprocess_exec(*command, env=environment, cwd=ROOT, stdout=PIPE, stderr=PIPE)
    )


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncIterator[Service]:
    service = await start(environment)
    try:
        yield service
    finally:
        if service.process.returncode is None:
            service.process.kill()
        await service.process.communicate()
