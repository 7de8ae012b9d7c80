"""What was sent to a service, and what both sources of a rollout's evidence say of it: the same."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import aiohttp
import httpx
import pytest

from delinkcious.tools.catalogue import PROMETHEUS
from mesh.canary.model import ArmSample
from mesh.canary.signals import EnvoySource, Measured, NoEvidence, PrometheusSource, Proxy, Scrape, Source
from tests.e2e.installation import NAMESPACE, Account, Installation, eventually
from tests.tools import MADE_WITHIN_S, needed

pytestmark = [pytest.mark.anyio, pytest.mark.late, pytest.mark.timeout(MADE_WITHIN_S + 300)]

RUNS_WITHIN_S = 60.0
# Prometheus scrapes every five seconds, Envoy shows histograms up to five seconds late.
SEEN_WITHIN_S = 60.0
POLL_S = 0.5
# What starts asks other services once; Prometheus scrapes every five seconds.
QUIET_S = 4.0
ROUNDS = 3
MEASURED = Measured(NAMESPACE, "links", "links", "v1", "v2", (0.5, 10_000.0))
# As of requests that are mirrored.
OF_PODS = replace(MEASURED, reporter="destination", method="GET")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def by_envoy(installation: Installation, measured: Measured, session: aiohttp.ClientSession) -> EnvoySource:
    async def proxies() -> Sequence[Proxy]:
        pods = await asyncio.to_thread(installation.every_pod)
        return [
            Proxy(pod["name"], pod["namespace"], pod["admin"], pod["labels"], pod["ready"])
            for pod in pods
            if pod["admin"]
        ]

    return EnvoySource(proxies, measured, session, time.time())


def by_prometheus(
    installation: Installation, measured: Measured, session: aiohttp.ClientSession
) -> PrometheusSource:
    needed(PROMETHEUS)
    eventually(lambda: installation.ready("prometheus"), RUNS_WITHIN_S, "Prometheus runs")
    return PrometheusSource(installation.told("url", "prometheus").strip(), measured, session, time.time())


def send(edge: httpx.Client, headers: dict[str, str]) -> Counter[int]:
    """Requests with known outcomes, by status."""
    site = f"https://{secrets.token_hex(4)}.example"
    answers = [
        *(edge.get("/api/v1/links", headers=headers) for _ in range(9)),
        *(edge.post("/api/v1/links", headers=headers, json={"url": f"{site}/{n}"}) for n in range(4)),
        *(edge.get("/api/v1/links/0", headers=headers) for _ in range(3)),
        *(edge.get("/api/v1/links") for _ in range(2)),
    ]
    return Counter(answer.status_code for answer in answers)


async def quiet(source: Source) -> None:
    """Once it remembers every pod and caller, and nobody has asked the service for a while."""
    deadline, why = time.monotonic() + SEEN_WITHIN_S, "there were requests all the time"
    busy_at: float | None = None
    while time.monotonic() < deadline:
        try:
            if found := await source.scrape():
                if busy_at is None or found.stable.requests:
                    busy_at = found.until
                if found.until - busy_at >= QUIET_S:
                    return
        except NoEvidence as error:
            why = str(error)
        await asyncio.sleep(POLL_S)
    pytest.fail(f"not quiet: {why}")


@dataclass(frozen=True)
class Seen:
    """Sums over some scrapes: as the source counts requests and errors, and as the pod's own proxy does."""

    requests: int
    errors: int
    by_pod: int


async def measure(installation: Installation, source: Source, total: int) -> tuple[Seen, list[Scrape]]:
    """All scrapes until the source and the pod have counted so many requests."""
    pod, scrapes = installation.pod("links-v1")["name"], list[Scrape]()
    deadline = time.monotonic() + SEEN_WITHIN_S
    while True:
        stable = [one.stable for one in scrapes]
        seen = Seen(
            sum(one.requests for one in stable),
            sum(one.errors for one in stable),
            sum(one.pods[pod].requests for one in stable if pod in one.pods),
        )
        if min(seen.requests, seen.by_pod) >= total:
            return seen, scrapes
        assert time.monotonic() < deadline, scrapes
        with suppress(NoEvidence):  # who did not answer just now is asked again
            if found := await source.scrape():
                scrapes.append(found)
        await asyncio.sleep(POLL_S)


@pytest.mark.slow
@pytest.mark.parametrize("measured", [pytest.param(MEASURED, id="callers"), pytest.param(OF_PODS, id="pods")])
@pytest.mark.parametrize("kind", [by_envoy, by_prometheus])
async def test_what_was_sent_is_the_evidence(
    installation: Installation,
    account: Account,
    session: aiohttp.ClientSession,
    kind: object,
    measured: Measured,
) -> None:
    assert callable(kind)
    source: Source = kind(installation, measured, session)
    with installation.edge() as edge:
        # A listener that was just replaced takes along what only it has counted: let its follower count each.
        send(edge, account.headers)
        for _ in range(ROUNDS):
            await quiet(source)
            sent = send(edge, account.headers)
            assert sent == {200: 9, 201: 4, 404: 3, 403: 2}
            total = sent.total() - (sent[201] if measured.method else 0)
            seen, scrapes = await measure(installation, source, total)
            if seen.requests == total:
                break  # else another service has asked it meanwhile, which it does not do each time
    assert seen == Seen(total, 0, total)
    assert all(one.stable.slow[1] == 0 for one in scrapes), "nothing takes ten seconds"
    assert all(one.canary == ArmSample(0, 0, (0, 0)) for one in scrapes)
    assert all(earlier.until <= later.until for earlier, later in pairwise(scrapes))
    assert float("inf") in await source.bounds_ms()
