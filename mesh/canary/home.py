"""Where a run takes place on the local mesh: the mesh itself, its Prometheus, or its proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp

from mesh.canary.controller import Site
from mesh.canary.local import LocalPlatform
from mesh.canary.model import ArmSample
from mesh.canary.platform import PlatformError
from mesh.canary.runs.folder import Folder
from mesh.canary.runs.run import Run
from mesh.canary.signals import EnvoySource, Measured, NoEvidence, PrometheusSource, Proxy, Scrape, Source
from mesh.local.runtime.state import State

RUNS = "canary"
# Where the local installation's Prometheus is.
TOOLS, PROMETHEUS, PORT = "observability", "prometheus", 9090


def folder(state: State) -> Folder:
    """The runs of the mesh of a state folder."""
    return Folder(state.folder / RUNS)


async def prometheus(state: State) -> str | None:
    """The address of the mesh's Prometheus, None where there is none. Raises Away, PlatformError."""
    for pod in await LocalPlatform(state, TOOLS).running(namespace=TOOLS):
        if pod.workload == PROMETHEUS:
            return f"http://{pod.ip}:{PORT}"
    return None


def site(state: State) -> Callable[[Run], AbstractAsyncContextManager[Site]]:
    """Opens where a run of this mesh takes place. Raises Away."""

    async def proxies() -> list[Proxy]:
        found = await LocalPlatform(state, "").running()
        return [
            Proxy(pod.name, pod.namespace, pod.admin, pod.labels, pod.ready, pod.ready_since)
            for pod in found
            if pod.admin is not None
        ]

    @asynccontextmanager
    async def opened(run: Run) -> AsyncIterator[Site]:
        namespace = run.began.rollout.metadata.namespace
        arms = namespace, run.began.stable, run.began.canary
        url = await prometheus(state)
        async with aiohttp.ClientSession(trust_env=False) as session:

            def source(measured: Measured) -> Source:
                if run.spec.analysis.source == "envoy":
                    return EnvoySource(proxies, measured, session, run.began.at)
                return Found(state, lambda url: PrometheusSource(url, measured, session, run.began.at))

            evidence, mirrored = source(run.spec.measured(*arms)), source(run.spec.mirrored(*arms))
            yield Site(LocalPlatform(state, namespace), evidence, mirrored, url)

    return opened


class Found:
    """A Prometheus that may not be there yet, or be started anew somewhere else."""

    def __init__(self, state: State, make: Callable[[str], PrometheusSource]) -> None:
        self._state = state
        self._make = make
        self._url: str | None = None
        self._source: PrometheusSource | None = None

    async def scrape(self) -> Scrape | None:
        return await (await self._there()).scrape()

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        return await (await self._there()).history(span_s, scrape_s)

    async def bounds_ms(self) -> tuple[float, ...]:
        return await (await self._there()).bounds_ms()

    async def _there(self) -> PrometheusSource:
        """Raises NoEvidence where there is none."""
        try:
            url = await prometheus(self._state)
        except PlatformError as error:
            raise NoEvidence(str(error)) from error
        if url is None and self._source is None:
            raise NoEvidence("no Prometheus runs in this mesh: delinkcious tools install prometheus")
        if self._source is None or (url is not None and url != self._url):
            self._url, self._source = url, self._make(str(url))
        return self._source
