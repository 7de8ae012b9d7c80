"""What real proxies count of a rollout is what was sent: requests, errors and slow ones of each version."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import pytest

from mesh.canary.model import ArmSample, PodSample
from mesh.canary.signals import EnvoySource, Measured, NoEvidence, Proxy, Scrape, missing_edges
from mesh.canary.signals.envoy import Targets
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_telemetry import METRICS

NewMesh = Callable[[str], Running]

pytestmark = pytest.mark.anyio

MEASURED = Measured("default", "reviews", "reviews", "v1", "v2", (250.0, 2500.0))
# Beyond the second edge on every machine, as what does not sleep is below it.
SLEEP = "/sleep/3"
# Envoy brings histograms up to date every five seconds.
SHOWN_WITHIN_S = 60.0
POLL_S = 0.1
FAULT = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - match: [{ uri: { prefix: /aborted } }]
      fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }
      route: [{ destination: { host: reviews } }]
    - match: [{ uri: { prefix: /lost } }]
      retries: { attempts: 0 }
      route: [{ destination: { host: reviews, subset: v2 } }]
    - route: [{ destination: { host: reviews } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, subsets: [{ name: v2, labels: { version: v2 } }] }
"""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def proxies(mesh: Running) -> Targets:
    async def ask() -> Sequence[Proxy]:
        pods = await asyncio.to_thread(mesh.client.get, "/get/pods")
        return [
            Proxy(pod["name"], pod["namespace"], pod["admin"], pod["labels"], pod["ready"])
            for pod in pods
            if pod["admin"]
        ]

    return ask


async def collected(
    source: EnvoySource, enough: Callable[[Scrape], bool], total: Scrape | None = None
) -> Scrape:
    """Scrapes, added up until it is enough."""
    deadline = time.monotonic() + SHOWN_WITHIN_S
    while total is None or not enough(total):
        assert time.monotonic() < deadline, total
        with contextlib.suppress(NoEvidence):  # a proxy that was too busy to answer is asked again
            found = await source.scrape()
            assert found is not None
            total = found if total is None else added(total, found)
        await asyncio.sleep(POLL_S)
    return total


def added(one: Scrape, other: Scrape) -> Scrape:
    return Scrape(one.since, other.until, _sum(one.stable, other.stable), _sum(one.canary, other.canary))


def _sum(one: ArmSample, other: ArmSample) -> ArmSample:
    pods = dict(one.pods)
    for name, pod in other.pods.items():
        before = pods.get(name, PodSample(0, 0))
        pods[name] = PodSample(before.requests + pod.requests, before.errors + pod.errors)
    slow = tuple(a + b for a, b in zip(one.slow, other.slow, strict=True))
    return ArmSample(one.requests + other.requests, one.errors + other.errors, slow, pods)


async def test_two_versions_are_told_apart_and_counted_to_the_request(
    new_mesh: NewMesh, manifests: Manifests, session: aiohttp.ClientSession
) -> None:
    mesh = new_mesh(manifests.versions() + METRICS)
    source = EnvoySource(proxies(mesh), MEASURED, session, time.time())
    assert await source.scrape() is None
    assert await source.bounds_ms() == ()
    versions: Counter[str] = Counter()
    sent: dict[str, Counter[str]] = {}
    with mesh.from_pod("client") as client:
        for path, times in {"/": 40, "/status/404": 6, "/status/500": 8, SLEEP: 6}.items():
            with ThreadPoolExecutor(times if path == SLEEP else 1) as pool:
                answers = pool.map(client.get, [f"http://reviews{path}"] * times)
                sent[path] = Counter(answer.json() for answer in answers)
            versions += sent[path]
        slow = sent[SLEEP]

        def all_timed(found: Scrape) -> bool:
            """Durations come later, with the next requests."""
            if found.stable.slow[1] >= slow["v1"] and found.canary.slow[1] >= slow["v2"]:
                return True
            versions[client.get("http://reviews/").json()] += 1
            return False

        found = await collected(source, all_timed)
    found = await collected(
        source, lambda all_: all_.stable.requests + all_.canary.requests >= versions.total(), found
    )
    for version, arm in (("v1", found.stable), ("v2", found.canary)):
        name = mesh.pod(f"reviews-{version}")["name"]
        errors = sent["/status/500"][version]
        assert arm.pods == {name: PodSample(versions[version], errors)}
        assert (arm.requests, arm.errors, arm.slow[1]) == (versions[version], errors, slow[version])
        assert arm.slow[0] >= arm.slow[1]
    bounds = await source.bounds_ms()
    assert {50.0, 100.0, 250.0, float("inf")} <= set(bounds)
    odd = Measured("default", "reviews", "reviews", "v1", "v2", (123.0,))
    assert "no bucket of reviews's durations ends at 123 ms; there are 0.5, 1, 5" in missing_edges(
        odd, bounds
    )


async def test_a_pod_that_cannot_be_reached_has_failed_what_it_was_sent(
    new_mesh: NewMesh, manifests: Manifests, session: aiohttp.ClientSession
) -> None:
    mesh = new_mesh(manifests.versions() + METRICS + FAULT)
    source = EnvoySource(proxies(mesh), MEASURED, session, time.time())
    assert await source.scrape() is None
    assert mesh.get("http://reviews/aborted").status_code == 503
    assert mesh.get("http://reviews/").status_code == 200
    found = await collected(source, lambda all_: all_.stable.requests + all_.canary.requests >= 1)
    assert found.stable.errors + found.canary.errors == 0, "a fault of the route is of no version"
    pid = mesh.pid("reviews-v2")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with mesh.from_pod("client") as client, pytest.raises(httpx.ReadTimeout):
            client.get("http://reviews/lost", timeout=2)
        found = await collected(source, lambda all_: all_.canary.requests >= 1)
        assert (found.canary.requests, found.canary.errors) == (1, 1), "the client has left"
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_silent_proxy_is_no_evidence_and_nothing_is_lost(
    new_mesh: NewMesh, manifests: Manifests, session: aiohttp.ClientSession
) -> None:
    mesh = new_mesh(manifests.versions() + METRICS)
    source = EnvoySource(proxies(mesh), MEASURED, session, time.time())
    assert await source.scrape() is None
    pid = mesh.pid("reviews-v2", "istio-proxy")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(NoEvidence, match="only 0 of 1 pods of reviews v2 answered"):
            await source.scrape()
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: mesh.pod("reviews-v2")["ready"])
    with mesh.from_pod("client") as client:
        for _ in range(10):
            assert client.get("http://reviews/").status_code == 200
    found = await collected(source, lambda all_: all_.stable.requests + all_.canary.requests >= 10)
    assert found.stable.requests + found.canary.requests == 10


async def test_a_pod_that_comes_during_the_run_counts_from_its_first_request(
    new_mesh: NewMesh, manifests: Manifests, session: aiohttp.ClientSession
) -> None:
    mesh = new_mesh(manifests.versions() + METRICS)
    source = EnvoySource(proxies(mesh), MEASURED, session, time.time())
    assert await source.scrape() is None
    mesh.command("scale", "deployment/reviews-v2", "--replicas", "2")
    pods = until(
        lambda: [pod for pod in mesh.pods("reviews-v2") if pod["ready"]][1:] and mesh.pods("reviews-v2")
    )
    seen: Counter[str] = Counter()
    with mesh.from_pod("client") as client:
        while len(seen) < 3:
            answer = client.get("http://reviews/env").json()
            seen[answer["HOSTNAME"]] += 1
    found = await collected(source, lambda all_: all_.stable.requests + all_.canary.requests >= seen.total())
    assert {name: pod.requests for name, pod in found.canary.pods.items()} == {
        pod["name"]: seen[pod["name"]] for pod in pods
    }


async def test_a_listener_that_is_replaced_forgets_and_nothing_is_lost_or_counted_twice(
    new_mesh: NewMesh, manifests: Manifests, session: aiohttp.ClientSession
) -> None:
    mesh = new_mesh(manifests.pair() + METRICS)
    source = EnvoySource(proxies(mesh), MEASURED, session, time.time())
    assert await source.scrape() is None
    pod = mesh.pod("reviews")
    with mesh.from_pod("client") as client:
        for _ in range(10):
            client.get("http://reviews/")
        found = await collected(source, lambda all_: all_.stable.requests >= 10)
        mesh.apply(manifests.denial("/secret"))
        until(lambda: _forgotten(pod["admin"]))
        found = added(found, await collected(source, lambda _: True))
        for _ in range(12):  # more than were forgotten
            client.get("http://reviews/")
        found = await collected(source, lambda all_: all_.stable.requests >= 22, found)
    assert found.stable.requests == 22
    assert found.stable.pods == {pod["name"]: PodSample(22, 0)}


def _forgotten(admin: str) -> bool:
    """Whether a pod's sidecar counts no request any more."""
    text = httpx.get(
        f"http://{admin}/stats/prometheus", params={"filter": "^istio.requests_total", "usedonly": ""}
    ).text
    return "istio_requests_total{" not in text
