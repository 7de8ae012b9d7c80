"""The sample service as a process: ports, signals, exit codes."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

import httpx
import pytest

from services.kit.settings import Secret
from tests.access_tokens import TokenMint
from tests.conftest import NewDatabase
from tests.integration.kit.process import PACKAGE, running, start

pytestmark = pytest.mark.anyio


async def test_it_serves_on_its_ports_and_logs_no_secret(
    environment: dict[str, str], token_mint: TokenMint, free_port: Callable[[], int]
) -> None:
    environment |= {"ECHO_PORT": str(free_port()), "LOG_REQUESTS": "true"}
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        extra = f"port {environment['ECHO_PORT']}"
        ports = await service.ports("http", "metrics", extra)
        trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
        headers = token_mint.headers(7) | {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-00"}
        base = f"http://127.0.0.1:{ports['http']}"
        created = await client.post(f"{base}/notes", json={"text": "a"}, headers=headers)
        assert created.status_code == 201
        assert "server" not in created.headers
        assert (await client.get(f"http://127.0.0.1:{ports[extra]}/whoami")).json() == []
        line = await service.line("request")
        assert (line["route"], line["status"], line["principal"]) == ("/notes", 201, 7)
        assert line["trace_id"] == trace_id
        metrics = (await client.get(f"http://127.0.0.1:{ports['metrics']}/metrics")).text
        wanted = 'http_server_request_duration_seconds_count{method="POST",route="/notes",status="201"} 1.0'
        assert wanted in metrics
        assert 'database_pool_connections{state="idle"} 1.0' in metrics
        assert "process_resident_memory_bytes" in metrics
        assert (await client.get(f"{base}/metrics")).status_code == 404
        settings = next(line for line in service.lines if line["event"] == "settings")
        assert settings["DATABASE_URL"] == "***"


async def test_sigterm_turns_ready_off_keeps_answering_and_loses_no_request(
    environment: dict[str, str],
) -> None:
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        base = f"http://127.0.0.1:{(await service.ports('http', 'metrics'))['http']}"
        assert (await client.get(f"{base}/healthz/ready")).status_code == 200
        # Longer than the process goes on to take requests.
        slow = asyncio.create_task(client.get(f"{base}/wait?seconds=4.5", timeout=60))
        # Answered after the slow one was sent, so that one is in flight.
        assert (await client.get(f"{base}/healthz/live")).status_code == 200
        service.process.send_signal(signal.SIGTERM)
        await service.line("draining")
        ready = await client.get(f"{base}/healthz/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        other = await client.get(f"{base}/wait?seconds=0")
        assert (other.status_code, other.headers["connection"]) == (204, "close")
        assert (await slow).status_code == 204
        assert await service.process.wait() == 0
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{base}/healthz/live")


async def test_under_steady_requests_a_stop_loses_none(environment: dict[str, str]) -> None:
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        base = f"http://127.0.0.1:{(await service.ports('http', 'metrics'))['http']}"
        closing, busy = asyncio.Event(), asyncio.Event()
        statuses: list[int] = []

        async def ask() -> None:
            while not closing.is_set():
                answer = await client.get(f"{base}/wait?seconds=0.01")
                statuses.append(answer.status_code)
                if len(statuses) == 50:
                    busy.set()
                # As a load balancer would: no new request once it was told to leave.
                if answer.headers.get("connection") == "close":
                    closing.set()

        askers = [asyncio.create_task(ask()) for _ in range(8)]
        await busy.wait()
        service.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*askers)
        assert set(statuses) == {204}
        assert await service.process.wait() == 0


async def test_without_its_database_it_starts_is_not_ready_and_answers_503(
    environment: dict[str, str], token_mint: TokenMint
) -> None:
    environment |= {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    environment["DATABASE_ACQUIRE_TIMEOUT_S"] = "2"  # less than the time that a request has
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        base = f"http://127.0.0.1:{(await service.ports('http', 'metrics'))['http']}"
        ready = await client.get(f"{base}/healthz/ready")
        assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "Unavailable"})
        assert (await client.get(f"{base}/healthz/live")).status_code == 200
        answer = await client.get(f"{base}/notes", headers=token_mint.headers())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"PORT": "many", "MAX_QUEUE": "-1"},
            "PORT: Expected `int`, got `str`; MAX_QUEUE: Expected `int` >= 0",
        ),
        ({"JWKS_URL": ""}, "JWKS_URL is missing"),
        (
            {"ISSUER_FILE": "/nowhere", "ISSUER": None},
            "ISSUER_FILE: /nowhere cannot be read (FileNotFoundError)",
        ),
    ],
)
async def test_wrong_settings_end_it_with_2_and_one_line(
    environment: dict[str, str], changes: dict[str, str | None], sentence: str
) -> None:
    wrong = {name: value for name, value in (environment | changes).items() if value is not None}
    service = await start(wrong)
    _, errors = await service.process.communicate()
    assert service.process.returncode == 2
    assert errors.decode() == f"{PACKAGE}: {sentence}\n"


async def test_a_port_that_is_taken_ends_it_with_1_and_one_line(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = await start(environment | {"PORT": str(taken.getsockname()[1])})
        _, errors = await service.process.communicate()
    assert service.process.returncode == 1
    assert errors.decode().startswith(f"{PACKAGE}: cannot listen on 127.0.0.1:")
    assert errors.count(b"\n") == 1


async def test_migrate_needs_the_database_only(new_database: NewDatabase) -> None:
    url = Secret(await new_database())
    for applied in (3, 0):
        service = await start({"DATABASE_URL": url.reveal()}, "migrate", "--phase", "pre")
        assert (await service.line("schema is current"))["applied"] == applied
        await service.process.communicate()
        assert service.process.returncode == 0
    service = await start({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}, "migrate")
    _, errors = await service.process.communicate()
    assert (service.process.returncode, errors.count(b"\n")) == (1, 1)
