"""Metrics tell the truth: a known load on a real process, and every counter equals what was sent."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.access_tokens import TokenMint
from tests.integration.kit.process import running
from tests.integration.kit.scrape import REQUESTS, Scraped, Sent, scrape

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
WITHIN_S = 60.0
# What the whole of one process may expose: its routes times few statuses, and some dozens of its own.
SERIES_BUDGET = 1_500
# In a bucket that ends two seconds later: a busy machine may be late.
SLOW_S, SLOW = 3.0, 5
BUCKET = ("2.5", "5.0")


class Load:
    """Sends requests and counts what came back, by the route that they were meant for."""

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self.client = client
        self.base = base
        self.sent: Counter[Sent] = Counter()

    async def __call__(
        self, method: str, path: str, expected: int, times: int = 1, route: str = "", **options: Any
    ) -> None:
        for _ in range(times):
            answer = await self.client.request(method, self.base + path, **options)
            assert answer.status_code == expected, (method, path, answer.text)
            label = method if method != "PROPFIND" else "OTHER"
            self.sent[label, route or path.partition("?")[0], expected] += 1


async def leave(base: str, request: bytes, *, after: Callable[[], Awaitable[None]]) -> None:
    """Send this much of a request, and go without reading an answer."""
    host, port = httpx.URL(base).host, httpx.URL(base).port
    assert port is not None
    _, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    await writer.drain()
    await after()
    writer.close()
    await writer.wait_closed()


async def ask_slowly(base: str) -> None:
    """A slow request, on a connection of its own."""
    url = httpx.URL(base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET /wait?seconds={SLOW_S} HTTP/1.1\r\nhost: h\r\n\r\n".encode())
    head = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert b" 204 " in head


async def until(scraped: Callable[[], Awaitable[Scraped]], condition: Callable[[Scraped], bool]) -> Scraped:
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await scraped()
            if condition(found):
                return found


async def outcomes(send: Load, token: dict[str, str]) -> None:
    """Every way in which a request ends, each a number of times of its own."""
    for number in range(5):
        await send("POST", "/notes", 201, json={"text": f"note {number}"}, headers=token)
    await send("GET", "/notes", 200, 7, headers=token)
    await send("HEAD", "/notes", 200, 2, headers=token)
    await send("GET", "/wait?seconds=0", 204, 3)
    await send("POST", "/clicks", 400, 2, content=b"{", headers={"content-type": "application/json"})
    await send("GET", "/notes", 401, 4)
    await send("GET", "/notes/999999", 404, 3, "/notes/{note_id}", headers=token)
    await send("GET", "/nowhere", 404, 2, "(none)")
    await send("DELETE", "/clicks", 405, 2)
    await send("POST", "/notes", 409, 2, json={"text": "note 1"}, headers=token)
    await send("PUT", "/uploads/x", 413, content=b"x" * 10_001, headers=token, route="/uploads/{name}")
    await send("POST", "/clicks", 415, 2, content=b"{}", headers={"content-type": "text/plain"})
    await send("POST", "/notes", 429, json={"text": "full"}, headers=token)
    await send("GET", "/crash", 500, 3)
    await send("GET", "/wait?seconds=2", 504, 2, headers={"x-request-timeout-ms": "50"})
    await send("PROPFIND", "/clicks", 405)


async def test_after_a_known_load_every_counter_equals_what_was_sent(
    environment: dict[str, str], token_mint: TokenMint
) -> None:
    environment |= {"MAX_CONCURRENCY": str(SLOW), "MAX_QUEUE": "0"}
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        ports = await service.ports("http", "metrics")
        base = f"http://127.0.0.1:{ports['http']}"
        send = Load(client, base)

        async def look() -> Scraped:
            return await scrape(client, ports["metrics"])

        async def at_work() -> None:
            await until(look, lambda scraped: scraped.value("http_server_active_requests") == 1)

        await outcomes(send, token_mint.headers(7))
        # Gone while the handler works, and gone in the middle of the body.
        await leave(base, b"GET /wait?seconds=9 HTTP/1.1\r\nhost: h\r\n\r\n", after=at_work)
        head = b"POST /clicks HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
        await leave(base, head + b"content-length: 9\r\n\r\n{", after=at_work)
        send.sent["GET", "/wait", 499] += 1
        send.sent["POST", "/clicks", 499] += 1
        before = await until(look, lambda found: found.value("http_server_active_requests") == 0)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(SLOW):
                group.create_task(ask_slowly(base))
            await until(look, lambda found: found.value("http_server_active_requests") == SLOW)
            # Every place is taken: shed.
            await send("GET", "/wait?seconds=0", 503, 4)
        after = await until(look, lambda found: found.value("http_server_active_requests") == 0)
        elapsed_s = time.perf_counter() - began

    send.sent["GET", "/wait", 204] += SLOW
    assert after.requests() == send.sent
    assert after.value("http_server_shed_requests_total") == 4
    label = {"method": "GET", "route": "/wait", "status": "204"}
    measured_s = after.value(f"{REQUESTS}_sum", **label) - before.value(f"{REQUESTS}_sum", **label)
    # Each took as long as it was to take, and none longer than until all had ended: no guess about a machine.
    assert SLOW * SLOW_S * 0.99 <= measured_s <= SLOW * elapsed_s
    below, within = (after.value(f"{REQUESTS}_bucket", le=edge, **label) for edge in BUCKET)
    beyond = within - below
    assert beyond == SLOW
    assert after.value("database_pool_timeouts_total") == 0
    assert after.value("database_pool_limit") == 10
    assert after.value("database_pool_wait_seconds_count") >= 5 + 7 + 2 + 3
    assert after.value("event_loop_lag_seconds_count") > 0
    assert after.value("telemetry_log_lines_dropped_total") == 0
    assert after.value("build_info", service="sample", version="v1") == 1
    peer = {"peer": "127.0.0.1", "method": "GET", "status": "200"}
    assert after.value("http_client_request_duration_seconds_count", **peer) == 1  # the keys of tokens
    assert not [name for name, _ in after.samples if name.endswith("_created")]


async def test_what_callers_make_up_becomes_no_label(
    environment: dict[str, str], token_mint: TokenMint
) -> None:
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        ports = await service.ports("http", "metrics")
        base = f"http://127.0.0.1:{ports['http']}"

        async def hostile(number: int) -> None:
            name = f"hostile{number}"
            own = token_mint.headers(10_000 + number, name=name) | {"user-agent": name, "x-request-id": name}
            for method in ("PROPFIND", "PURGE", "MKCOL", "GET"):
                await client.request(method, f"{base}/{name}?{name}={name}", headers=own | {"host": name})
            await client.get(f"{base}/notes?word={name}", headers=own)
            await client.get(f"{base}/notes/{number + 10**6}", headers=own)
            await client.post(f"{base}/notes", json={"text": name}, headers=own | {"accept": name})
            await client.get(f"{base}/wait?seconds={name}", headers={"traceparent": name, "baggage": name})

        await hostile(0)
        once = (await scrape(client, ports["metrics"])).samples
        for number in range(1, 10):
            await hostile(number)
        many = (await scrape(client, ports["metrics"])).samples
    assert many.keys() == once.keys()
    assert len(many) < SERIES_BUDGET
    assert not any("hostile" in value for _, pairs in many for _, value in pairs)
    assert Scraped("").requests() == Counter()


async def test_counters_of_a_new_process_begin_at_nothing(environment: dict[str, str]) -> None:
    totals = []
    async with httpx.AsyncClient(timeout=60) as client:
        for _ in range(2):
            async with running(environment) as service:
                ports = await service.ports("http", "metrics")
                fresh = await scrape(client, ports["metrics"])
                assert not fresh.requests()
                assert fresh.value("http_server_shed_requests_total") == 0
                for _ in range(3):
                    await client.get(f"http://127.0.0.1:{ports['http']}/wait?seconds=0")
                found = await scrape(client, ports["metrics"])
                totals.append(found.requests()["GET", "/wait", 204])
                counts = [value for (name, _), value in found.samples.items() if name.endswith("_total")]
                assert min(counts) >= 0
    assert totals == [3, 3]


async def test_a_slow_bucket_names_a_sampled_trace_and_no_other_in_openmetrics_only(
    environment: dict[str, str],
) -> None:
    async with running(environment) as service, httpx.AsyncClient(timeout=60) as client:
        ports = await service.ports("http", "metrics")
        wait = f"http://127.0.0.1:{ports['http']}/wait?seconds=0"
        exposition = f"http://127.0.0.1:{ports['metrics']}/metrics"
        accepting = {"accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1"}
        await client.get(wait, headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
        unsampled = await client.get(exposition, headers=accepting)
        assert unsampled.headers["content-type"].startswith("application/openmetrics-text")
        assert unsampled.text.endswith("# EOF\n")
        assert "trace_id" not in unsampled.text
        await client.get(wait, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        sampled = await client.get(exposition, headers=accepting)
        (line,) = (line for line in sampled.text.splitlines() if "# {" in line)
        assert line.startswith(f"{REQUESTS}_bucket{{")
        assert f'trace_id="{TRACE}"' in line
        plain = await client.get(exposition)
        assert plain.headers["content-type"].startswith("text/plain")
        assert "trace_id" not in plain.text
