"""Proxies that are read themselves: by HTTP, side by side, each within its bounds."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import aiohttp
import pytest

from mesh.canary.model import ArmSample, PodSample
from mesh.canary.platform import Away
from mesh.canary.signals import EnvoySource, Measured, NoEvidence, Proxy
from tests.integration.mesh.canary.exporter import Exporter

pytestmark = pytest.mark.anyio

MEASURED = Measured("shop", "links", "links", "v1", "v2", (100.0, 250.0))
GATEWAY = ("gateway", "istio-system", {"istio": "ingressgateway"})
STABLE = ("links-v1-a", "shop", {"app": "links", "version": "v1"})
CANARY = ("links-v2-a", "shop", {"app": "links", "version": "v2"})


class Fleet:
    """Proxies by their pods' names, as `targets` gives them."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.away = ""

    async def __call__(self) -> Sequence[Proxy]:
        if self.away:
            raise Away(self.away)
        return list(self.proxies.values())

    def add(
        self,
        pod: tuple[str, str, dict[str, str]],
        admin: str,
        *,
        ready: bool = True,
        started_at: float | None = None,
    ) -> None:
        name, namespace, labels = pod
        self.proxies[name] = Proxy(name, namespace, admin, labels, ready, started_at)


@pytest.fixture
def exporters() -> Iterator[list[Exporter]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Exporter("envoy_")) for _ in range(3)]


@pytest.fixture
def fleet(exporters: list[Exporter]) -> Fleet:
    made = Fleet()
    for pod, exporter in zip((GATEWAY, STABLE, CANARY), exporters, strict=True):
        made.add(pod, exporter.address)
    return made


@pytest.fixture
def source(fleet: Fleet, session: aiohttp.ClientSession) -> EnvoySource:
    return EnvoySource(fleet, MEASURED, session, time.time())


async def test_what_is_counted_is_what_comes_out(source: EnvoySource, exporters: list[Exporter]) -> None:
    gateway, stable, canary = exporters
    gateway.count(1000, "v1")
    began = time.time()
    assert await source.scrape() is None
    gateway.count(20, "v1")
    gateway.count(3, "v2", code="503", ms=120)
    stable.count(20, "v1", "destination")
    canary.count(2, "v2", "destination", "500")
    found = await source.scrape()
    assert found is not None
    assert began <= found.since <= found.until <= time.time()
    assert found.stable == ArmSample(20, 0, (0, 0), {"links-v1-a": PodSample(20, 0)})
    assert found.canary == ArmSample(3, 3, (3, 0), {"links-v2-a": PodSample(2, 2)})
    assert await source.bounds_ms() == (50.0, 100.0, 250.0, float("inf"))
    assert await source.history(3600, 15) == []


async def test_of_mirrored_requests_only_pods_are_asked(
    fleet: Fleet, exporters: list[Exporter], session: aiohttp.ClientSession
) -> None:
    gateway, stable, canary = exporters
    measured = replace(MEASURED, reporter="destination", method="GET")
    source = EnvoySource(fleet, measured, session, time.time())
    gateway.broken = True
    stable.count(1000, "v1", "destination", method="GET")
    assert await source.scrape() is None
    stable.count(20, "v1", "destination", method="GET")
    stable.count(30, "v1", "destination", ms=300, method="other")
    canary.count(18, "v2", "destination", method="GET", ms=120)
    canary.count(2, "v2", "destination", "500", method="GET")
    found = await source.scrape()
    assert found is not None
    assert found.stable == ArmSample(20, 0, (0, 0), {"links-v1-a": PodSample(20, 0)})
    assert found.canary == ArmSample(20, 2, (18, 0), {"links-v2-a": PodSample(20, 2)})
    assert await source.bounds_ms() == (50.0, 100.0, 250.0, float("inf"))
    canary.broken = True
    with pytest.raises(NoEvidence, match="only 0 of 1 pods of links v2 answered, not shop/links-v2-a"):
        await source.scrape()


@pytest.mark.parametrize("how", ["away", "hangs", "fails", "talks", "babbles"])
async def test_a_proxy_that_does_not_answer_is_no_evidence_and_nothing_is_lost(
    source: EnvoySource, fleet: Fleet, exporters: list[Exporter], how: str
) -> None:
    gateway, _, canary = exporters
    assert await source.scrape() is None
    gateway.count(4, "v2", code="500")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if how == "hangs":
            deaf.listen()
        host, port = deaf.getsockname()
        match how:
            case "fails":
                canary.broken = True
            case "talks":
                canary.padding = 9 << 20
            case "babbles":
                canary.prefix = "{"
            case _:
                fleet.add(CANARY, f"{host}:{port}")
        if how == "babbles":
            canary.count(1, "v2")
        with pytest.raises(NoEvidence, match="only 0 of 1 pods of links v2 answered, not shop/links-v2-a"):
            await source.scrape()
    canary.broken, canary.padding, canary.prefix = False, 0, "envoy_"
    canary.forget()
    fleet.add(CANARY, canary.address)
    found = await source.scrape()
    assert found is not None
    assert found.canary == ArmSample(4, 4, (0, 0), {"links-v2-a": PodSample(0, 0)})


async def test_a_pod_that_is_not_ready_need_not_answer(source: EnvoySource, fleet: Fleet) -> None:
    fleet.add(CANARY, "127.0.0.1:1", ready=False)
    assert await source.scrape() is None
    found = await source.scrape()
    assert found is not None
    assert found.canary.pods == {}


async def test_a_pod_is_new_by_when_it_began_or_by_when_it_came(
    fleet: Fleet, exporters: list[Exporter], session: aiohttp.ClientSession
) -> None:
    began = time.time()
    source = EnvoySource(fleet, MEASURED, session, began)
    assert await source.scrape() is None
    with contextlib.ExitStack() as stack:
        for number, started_at in enumerate((None, began + 0.001, began - 60)):
            pod = stack.enter_context(Exporter("envoy_"))
            pod.count(5, "v2", "destination", "500")
            fleet.add((f"new-{number}", "shop", CANARY[2]), pod.address, started_at=started_at)
        found = await source.scrape()
    assert found is not None
    assert {name: pod.requests for name, pod in found.canary.pods.items()} == {
        "links-v2-a": 0,
        "new-0": 5,
        "new-1": 5,
    }


async def test_without_a_list_of_proxies_there_is_no_evidence(source: EnvoySource, fleet: Fleet) -> None:
    fleet.away = "The mesh does not answer."
    with pytest.raises(NoEvidence, match="The mesh does not answer"):
        await source.scrape()
    fleet.away, fleet.proxies = "", {}
    with pytest.raises(NoEvidence, match="there is no pod of links v1"):
        await source.scrape()
