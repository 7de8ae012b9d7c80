"""A real Prometheus scrapes proxies whose counters the test moves: what was counted is what comes out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from delinkcious.tools.catalogue import PROMETHEUS
from mesh.canary.model import ArmSample, PodSample
from mesh.canary.signals import Measured, NoEvidence, PrometheusSource, Scrape, missing_edges, past
from mesh.canary.signals import prometheus as prometheus_source
from tests.integration.mesh.canary.exporter import Exporter
from tests.tools import MADE_WITHIN_S, needed

pytestmark = [pytest.mark.anyio, pytest.mark.late, pytest.mark.timeout(MADE_WITHIN_S + 120)]

INTERVAL_S = 0.5
# Four scrapes: one that a busy machine leaves out makes no hole.
SLOT_S = 2.0
WITHIN_S = 20.0
POLL_S = 0.05
MEASURED = Measured("shop", "links", "links", "v1", "v2", (100.0, 250.0))
PODS = {
    "gateway": {"namespace": "istio-system", "pod": "gateway", "app": "ingressgateway"},
    "web": {"namespace": "shop", "pod": "web-1", "app": "web", "version": "v1"},
    "stable": {"namespace": "shop", "pod": "links-v1-a", "app": "links", "version": "v1"},
    "canary": {"namespace": "shop", "pod": "links-v2-a", "app": "links", "version": "v2"},
}
CONFIG = f"""
global: {{ scrape_interval: {INTERVAL_S * 1000:.0f}ms, scrape_timeout: {INTERVAL_S * 1000:.0f}ms }}
scrape_configs:
  - job_name: sidecars
    file_sd_configs: [{{ files: [sidecars.json], refresh_interval: 1s }}]
  - job_name: services
    file_sd_configs: [{{ files: [services.json], refresh_interval: 1s }}]
"""


class Running:
    """A Prometheus of the test's own; `pods` is what it scrapes, by the keys of PODS."""

    def __init__(self, folder: Path, port: int, program: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.pods: dict[str, Exporter] = {}
        self._command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "prometheus.yml").write_text(CONFIG)
        (folder / "services.json").write_text(
            # What the service's own process shows, on a port where nobody answers.
            json.dumps([{"targets": ["127.0.0.1:1"], "labels": PODS["stable"]}])
        )

    def scrape(self, **pods: Exporter) -> None:
        """These pods from now on."""
        self.pods = pods
        groups = [{"targets": [pod.address], "labels": PODS[name]} for name, pod in pods.items()]
        new = self.folder / "new"
        new.write_text(json.dumps(groups))
        os.replace(new, self.folder / "sidecars.json")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


@pytest.fixture
def pods() -> Iterator[dict[str, Exporter]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Exporter()) for name in PODS}


@pytest.fixture
def prometheus(tmp_path: Path, free_port: Callable[[], int], pods: dict[str, Exporter]) -> Iterator[Running]:
    running = Running(tmp_path, free_port(), needed(PROMETHEUS))
    running.scrape(**pods)
    running.start()
    yield running
    running.end()


async def until(look: Callable[[], Awaitable[Scrape | None]], what: str) -> Scrape:
    """The first scrape; no evidence is waited over."""
    deadline, why = time.monotonic() + WITHIN_S, ""
    while time.monotonic() < deadline:
        try:
            if found := await look():
                return found
        except NoEvidence as error:
            why = str(error)
        await asyncio.sleep(POLL_S)
    pytest.fail(f"not within {WITHIN_S:g} s: {what} {why}")


async def refused(source: PrometheusSource, words: str) -> None:
    """Until there is no evidence because of that."""
    deadline, why = time.monotonic() + WITHIN_S, ""
    while time.monotonic() < deadline:
        try:
            await source.scrape()
        except NoEvidence as error:
            why = str(error)
            if words in why:
                return
        await asyncio.sleep(POLL_S)
    pytest.fail(f"not within {WITHIN_S:g} s: {words}; last: {why}")


def total(samples: list[ArmSample]) -> ArmSample:
    pods: dict[str, PodSample] = {}
    for sample in samples:
        for name, pod in sample.pods.items():
            before = pods.get(name, PodSample(0, 0))
            pods[name] = PodSample(before.requests + pod.requests, before.errors + pod.errors)
    slow = tuple(map(sum, zip(*(sample.slow for sample in samples), strict=True)))
    return ArmSample(sum(s.requests for s in samples), sum(s.errors for s in samples), slow, pods)


async def collected(
    source: PrometheusSource, enough: Callable[[ArmSample, ArmSample], bool]
) -> tuple[ArmSample, ArmSample, list[Scrape]]:
    """Both arms, added up over scrapes until it is enough."""
    scrapes: list[Scrape] = []
    while True:
        scrapes.append(await until(source.scrape, f"enough, after {scrapes}"))
        arms = total([one.stable for one in scrapes]), total([one.canary for one in scrapes])
        if enough(*arms):
            return *arms, scrapes


async def passed(source: PrometheusSource, at: float) -> None:
    """Until all was read again after that moment."""
    while (await until(source.scrape, "a scrape after a moment")).since < at:
        pass


async def begun(
    prometheus: Running, session: aiohttp.ClientSession, measured: Measured = MEASURED
) -> PrometheusSource:
    """A source that remembers every pod."""
    source = PrometheusSource(prometheus.url, measured, session, time.time())
    await until(source.scrape, "a scrape of all pods")
    return source


async def test_what_is_counted_is_what_comes_out(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    pods["gateway"].count(1000, "v1")  # before the run
    source = await begun(prometheus, session)
    pods["gateway"].count(20, "v1")
    pods["gateway"].count(3, "v2", code="503", ms=120)  # a series that is born at three
    pods["web"].count(5, "v2", ms=300)
    pods["web"].count(2, "v1", code="404")
    pods["canary"].count(7, "v2", "destination")
    pods["canary"].count(1, "v2", "destination", "500")
    pods["stable"].count(22, "v1", "destination")
    stable, canary, scrapes = await collected(source, lambda s, c: s.requests >= 22 and c.requests >= 8)
    assert stable == ArmSample(22, 0, (0, 0), {"links-v1-a": PodSample(22, 0)})
    assert canary == ArmSample(8, 3, (8, 5), {"links-v2-a": PodSample(8, 1)})
    assert all(one.since < one.until for one in scrapes)
    assert [one.since for one in scrapes[1:]] >= [one.since for one in scrapes[:-1]]
    pods["gateway"].forget()  # its proxy starts again
    pods["gateway"].count(6, "v1")
    stable, canary, _ = await collected(source, lambda s, _: s.requests >= 6)
    assert (stable.requests, canary.requests) == (6, 0)


async def test_of_mirrored_requests_the_pods_own_counts_are_the_evidence(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    """Beside a source that reads callers, which never sees the copies."""
    pods["stable"].count(1000, "v1", "destination", method="GET")  # before the run
    callers = await begun(prometheus, session)
    source = await begun(prometheus, session, replace(MEASURED, reporter="destination", method="GET"))
    pods["gateway"].count(60, "v1")
    pods["stable"].count(20, "v1", "destination", ms=120, method="GET")
    pods["stable"].count(40, "v1", "destination", "500", ms=300, method="other")
    pods["canary"].count(17, "v2", "destination", method="GET")
    pods["canary"].count(3, "v2", "destination", "500", ms=300, method="GET")
    stable, canary, _ = await collected(source, lambda s, c: s.requests >= 20 and c.requests >= 20)
    assert stable == ArmSample(20, 0, (20, 0), {"links-v1-a": PodSample(20, 0)})
    assert canary == ArmSample(20, 3, (3, 3), {"links-v2-a": PodSample(20, 3)})
    assert await source.bounds_ms() == (50.0, 100.0, 250.0, float("inf"))
    assert total(await source.history(600, 4 * INTERVAL_S)) == stable  # late ones are no hole
    stable, canary, _ = await collected(callers, lambda s, _: s.pods["links-v1-a"].requests >= 60)
    assert (stable.requests, stable.errors, canary.requests) == (60, 0, 0)
    pods["gateway"].broken = pods["web"].broken = True
    assert await until(source.scrape, "a scrape without any caller")
    pods["canary"].broken = True
    await refused(source, "only 0 of 1 pods of links v2 answered, not shop/links-v2-a")


@pytest.mark.slow
async def test_a_source_is_away_and_comes_back_and_nothing_is_lost(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    pods["gateway"].count(10, "v1")
    source = await begun(prometheus, session)
    prometheus.end()
    with pytest.raises(NoEvidence, match="Prometheus does not answer"):
        await source.scrape()
    pods["gateway"].count(4, "v1")
    pods["gateway"].count(2, "v2", code="500")
    prometheus.start()
    stable, canary, _ = await collected(source, lambda s, c: s.requests >= 4 and c.requests >= 2)
    assert (stable.requests, canary.requests, canary.errors) == (4, 2, 2)


async def test_a_pod_that_is_down_is_no_evidence_until_it_is_gone(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    pods["gateway"].count(10, "v1")
    source = await begun(prometheus, session)
    pods["canary"].broken = True
    pods["gateway"].count(3, "v2", code="500")
    await refused(source, "only 0 of 1 pods of links v2 answered, not shop/links-v2-a")
    prometheus.scrape(**{name: pod for name, pod in pods.items() if name != "canary"})
    _, canary, _ = await collected(source, lambda _, c: c.requests >= 3)
    assert canary == ArmSample(3, 3, (0, 0))
    pods["gateway"].broken = True
    await refused(source, "only 0 of 1 proxies that call links answered, not istio-system/gateway")


@pytest.mark.slow
async def test_a_pod_that_comes_during_the_run_has_counted_from_zero(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    older = {name: pod for name, pod in pods.items() if name != "canary"}
    prometheus.scrape(**older)
    looked = await begun(prometheus, session)  # Prometheus has looked before the run
    source = await begun(prometheus, session)
    assert looked is not source
    pods["canary"].count(5, "v2", "destination", "500")
    prometheus.scrape(**pods)
    _, canary, _ = await collected(source, lambda _, c: bool(c.pods))
    assert canary.pods == {"links-v2-a": PodSample(5, 5)}


@pytest.mark.slow
async def test_the_past_is_one_scrape_after_the_other_without_holes(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    source = await begun(prometheus, session)
    pods["gateway"].count(40, "v1", ms=300)
    pods["stable"].count(40, "v1", "destination")
    await collected(source, lambda s, _: s.requests >= 40 and s.pods["links-v1-a"].requests >= 40)
    await passed(source, time.time() + 2 * SLOT_S)  # a slot that not all were read in says nothing
    prometheus.end()
    pods["gateway"].count(900, "v1")  # in a hole: nobody knows in which scrapes
    await asyncio.sleep(past.HOLE * SLOT_S)  # less would be none
    again = time.time()
    prometheus.start()
    await passed(source, again)
    pods["gateway"].count(7, "v1", code="500")
    await collected(source, lambda s, _: s.errors >= 7)
    await passed(source, time.time() + 2 * SLOT_S)
    samples = await source.history(600, SLOT_S)
    assert total(samples) == ArmSample(47, 7, (40, 40), {"links-v1-a": PodSample(40, 0)})
    assert len(samples) > 2
    assert await source.history(0.001, SLOT_S) == []


async def test_edges_are_compared_with_the_buckets_there_are(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    source = await begun(prometheus, session)
    assert await source.bounds_ms() == ()
    pods["gateway"].count(1, "v1")
    await collected(source, lambda s, _: s.requests >= 1)
    bounds = await source.bounds_ms()
    assert bounds == (50.0, 100.0, 250.0, float("inf"))
    other = Measured("shop", "links", "links", "v1", "v2", (100.0, 300.0))
    assert missing_edges(other, bounds) == (
        "no bucket of links's durations ends at 300 ms; there are 50, 100, 250"
    )


async def test_who_is_no_prometheus_gives_no_evidence(
    pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    def source(address: str) -> PrometheusSource:
        return PrometheusSource(f"http://{address}", MEASURED, session, time.time())

    with pytest.raises(NoEvidence, match="does not speak its language"):
        await source(pods["web"].address).scrape()
    pods["web"].broken = True
    with pytest.raises(NoEvidence, match="Prometheus answered with 500"):
        await source(pods["web"].address).scrape()
    pods["web"].broken, pods["web"].padding = False, 17 << 20
    with pytest.raises(NoEvidence, match="more than 16 MiB"):
        await source(pods["web"].address).scrape()


async def test_who_hangs_gives_no_evidence(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_source, "WITHIN_S", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = "http://{}:{}".format(*deaf.getsockname())
        with pytest.raises(NoEvidence, match=r"Prometheus did not answer within 0\.2 s"):
            await PrometheusSource(url, MEASURED, session, time.time()).scrape()


@pytest.mark.slow
async def test_another_path_of_prometheus_is_none(
    prometheus: Running, session: aiohttp.ClientSession
) -> None:
    await begun(prometheus, session)
    source = PrometheusSource(f"{prometheus.url}/elsewhere", MEASURED, session, time.time())
    with pytest.raises(NoEvidence, match="Prometheus answered with 404"):
        await source.scrape()


@pytest.mark.slow
async def test_words_of_any_kind_are_no_part_of_a_query(
    prometheus: Running, pods: dict[str, Exporter], session: aiohttp.ClientSession
) -> None:
    version = 'a"b\\c|d.*(\n{é'
    pods["gateway"].count(4, "v1")
    source = PrometheusSource(prometheus.url, replace(MEASURED, canary=version), session, time.time())
    found = await until(source.scrape, "a scrape in spite of the version's name")
    assert found.canary == ArmSample(0, 0, (0, 0))
