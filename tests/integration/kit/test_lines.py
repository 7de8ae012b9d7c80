"""The log lines of a real process: one schema, no secret, a level that follows, a reader that may hang."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from telemetry.line import parse
from tests.access_tokens import TokenMint
from tests.integration.kit.process import PACKAGE, ROOT, Service, running
from tests.integration.kit.scrape import scrape

pytestmark = pytest.mark.anyio

CANARY = "Canary7Qx9secret"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
DROPPED = "telemetry_log_lines_dropped_total"


async def carry_secrets(client: httpx.AsyncClient, base: str, token: str) -> None:
    """Requests with a canary wherever programs and people put secrets, to what works and what fails."""
    headers = {
        "authorization": f"Bearer {token}",
        "cookie": f"__Host-session={CANARY}; theme=dark",
        "x-service-token": CANARY,
        "x-api-key": CANARY,
        "referer": f"https://ada:{CANARY}@example.org/?password={CANARY}",
        "traceparent": f"00-{TRACE}-{SPAN}-00",
    }
    body = {"username": "ada", "password": CANARY, "email": f"{CANARY}@example.org"}
    for path in ("/crash", "/notes", "/clicks", "/nowhere"):
        where = f"{base}{path}?auth_token=ada:{CANARY}&token={CANARY}"
        await client.get(where, headers=headers)
        await client.post(where, headers=headers, json=body)
        await client.post(where, headers=headers | {"authorization": f"Basic {CANARY}=="}, data=body)


def fits(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        found = parse(json.dumps(line))
        assert (found.service, found.version, found.pod) == ("sample", "v3", "sample-v3-x"), line


async def rest(service: Service) -> tuple[str, str]:
    """End the process; everything that it wrote after what was read, and its errors."""
    service.process.send_signal(signal.SIGTERM)
    output, errors = await service.process.communicate()
    service.lines += [json.loads(raw) for raw in output.splitlines()]
    return json.dumps(service.lines), errors.decode()


async def test_every_line_fits_the_schema_and_none_says_a_secret(
    environment: dict[str, str], token_mint: TokenMint
) -> None:
    environment |= {"LOG_REQUESTS": "true", "LOG_LEVEL": "debug", "SERVICE_TOKEN": CANARY}
    environment |= {"SERVICE_VERSION": "v3", "POD_NAME": "sample-v3-x", "DRAIN_DELAY_S": "0"}
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        base = f"http://127.0.0.1:{(await service.ports('http', 'metrics'))['http']}"
        token = token_mint.token(7, name=CANARY)
        await carry_secrets(client, base, token)
        await carry_secrets(client, base, f"{token}{CANARY}")
        output, errors = await rest(service)
    fits(service.lines)
    for secret in (
        CANARY,
        token,
        token.split(".")[1],
        environment["DATABASE_URL"].split(":")[2].split("@")[0],
    ):
        assert secret not in output, output.partition(secret)[0][-200:]
    assert errors == ""
    crashed = next(line for line in service.lines if line["event"] == "unhandled error")
    assert (crashed["route"], crashed["method"], crashed["trace_id"]) == ("/crash", "GET", TRACE)
    assert crashed["span_id"] == SPAN
    assert "***" in crashed["exception"]
    requests = [line for line in service.lines if line["event"] == "request"]
    assert len(requests) == 24
    assert {line["route"] for line in requests} == {"/crash", "/notes", "/clicks", "(none)"}
    principals = {line.get("principal") for line in requests if line["route"] == "/notes"}
    assert principals == {7, None}


async def test_the_level_follows_signals_and_a_mounted_file(
    environment: dict[str, str], tmp_path: Path
) -> None:
    level = tmp_path / "LOG_LEVEL"
    level.write_text("info\n")
    environment |= {"LOG_LEVEL_FILE": str(level), "DRAIN_DELAY_S": "0"}
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        base = f"http://127.0.0.1:{(await service.ports('http', 'metrics'))['http']}"

        def write(text: str) -> None:
            """As a mounted file changes: at once, never empty in between."""
            new = tmp_path / "new"
            new.write_text(text)
            new.replace(level)

        async def click(text: str) -> None:
            assert (await client.post(f"{base}/clicks", json={"text": text})).is_success

        await click("unheard")
        service.process.send_signal(signal.SIGUSR1)
        changed = await service.line("log level changed")
        assert (changed["before"], changed["after"], changed["why"]) == ("info", "debug", "SIGUSR1")
        await click("heard")
        assert (await service.line("clicked"))["text"] == "heard"
        service.process.send_signal(signal.SIGUSR2)
        assert (await service.line("log level changed"))["after"] == "info"
        await click("unheard")
        write("nonsense")
        assert "nonsense" in (await service.line("log level not changed"))["error"]
        write("debug")
        changed = await service.line("log level changed")
        assert (changed["after"], changed["why"]) == ("debug", str(level))
        await click("heard again")
        output, _ = await rest(service)
    assert "unheard" not in output
    assert "heard again" in output


async def test_a_reader_that_hangs_stops_no_request_and_no_end(environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", PACKAGE]
    environment["DRAIN_DELAY_S"] = "0"
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT, stdout=writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as log:
            ports: dict[str, int] = {}
            while len(ports) < 2:
                line = json.loads(await asyncio.to_thread(log.readline))
                if line["event"] == "listening":
                    ports[line["port_name"]] = line["port"]
            # From here on nobody reads; each of these writes a line of 16 KiB.
            async with httpx.AsyncClient(headers={"x-filler": "x" * 15_000}, timeout=60) as client:
                crash = f"http://127.0.0.1:{ports['http']}/crash"
                for _ in range(100):
                    assert (await client.get(crash)).status_code == 500
                found = await scrape(client, ports["metrics"])
                assert found.value(DROPPED) > 0
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
                assert time.monotonic() - began < 15
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
