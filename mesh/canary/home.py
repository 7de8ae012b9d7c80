"""Where a run takes place on the local mesh: the mesh itself, its Prometheus, or its proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp

from mesh.canary.controller import Site
from mesh.canary.local import LocalPlatform
from mesh.canary.platform import Away
from mesh.canary.runs.folder import Folder
from mesh.canary.runs.run import Run
from mesh.canary.signals import EnvoySource, PrometheusSource, Proxy, Source
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
        platform = LocalPlatform(state, namespace)
        measured = run.spec.measured(namespace, run.began.stable, run.began.canary)
        url = await prometheus(state)
        async with aiohttp.ClientSession(trust_env=False) as session:
            source: Source
            if run.spec.analysis.source == "envoy":
                source = EnvoySource(proxies, measured, session, run.began.at)
            elif url is None:
                raise Away("no Prometheus runs in this mesh: delinkcious tools install prometheus")
            else:
                source = PrometheusSource(url, measured, session, run.began.at)
            yield Site(platform, source, url)

    return opened
