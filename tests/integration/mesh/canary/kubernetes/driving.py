"""A controller as it runs in a pod, but that its evidence is drawn: `python -m ...driving` and its options.

Requests come at a rate that no test could send; how many go to the canary is what the VirtualService says.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import numpy as np
from lightkube import AsyncClient, KubeConfig

from mesh.canary.controller import Site
from mesh.canary.kubernetes import home, running
from mesh.canary.kubernetes.api import MANAGER, Api
from mesh.canary.kubernetes.lease import Lease
from mesh.canary.kubernetes.platform import KubernetesPlatform
from mesh.canary.model import ArmSample
from mesh.canary.runs.run import Run
from mesh.canary.runs.traffic import read
from mesh.canary.signals import Scrape
from telemetry import logs

EDGES_MS = (100.0, 250.0)
SLOW = (0.05, 0.01)
RPS = 20_000.0
ERRORS = 0.001
LEASE_S, RENEW_S = 3.0, 0.5


class Drawn:
    """Evidence of a run; the canary fails at `rate`."""

    def __init__(self, platform: KubernetesPlatform, run: Run, rate: float) -> None:
        self._platform, self._run, self._rate = platform, run, rate
        self._since = time.time()
        self._random = np.random.default_rng(7)

    async def scrape(self) -> Scrape | None:
        began = self._run.began
        stored = await self._platform.virtual_service(self._run.spec.routes)
        share = read(stored.body, began.stable, began.canary).percent / 100
        since, self._since = self._since, time.time()
        asked = RPS * (self._since - since)
        arms = self._draw(asked * (1 - share), ERRORS), self._draw(asked * share, self._rate)
        return Scrape(since, self._since, *arms)

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        return [self._draw(RPS * scrape_s, ERRORS) for _ in range(720)]

    async def bounds_ms(self) -> tuple[float, ...]:
        return EDGES_MS

    def _draw(self, expected: float, rate: float) -> ArmSample:
        requests = int(self._random.poisson(expected))
        slow = tuple(int(self._random.binomial(requests, share)) for share in SLOW)
        return ArmSample(
            requests, int(self._random.binomial(requests, rate)), tuple(sorted(slow, reverse=True))
        )


async def drive(
    kubeconfig: Path, namespace: str, runs: Path, holder: str, host: str, port: int, rate: float
) -> int:
    config = KubeConfig.from_file(kubeconfig).get()
    async with AsyncClient(config, field_manager=MANAGER, trust_env=False) as client:
        api = Api(client, namespace)
        lease = Lease(api, holder, duration_s=LEASE_S, renew_s=RENEW_S)
        platform = KubernetesPlatform(client, namespace, allowed=lease.demand, in_force_s=0.2)

        @asynccontextmanager
        async def site(run: Run) -> AsyncIterator[Site]:
            yield Site(platform, Drawn(platform, run, rate), Drawn(platform, run, rate), None)

        settings = home.Settings(namespace, runs, "", holder, host, port)
        task = asyncio.ensure_future(home.work(api, platform, lease, settings, site))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await running.ended(task)


@click.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), required=True)
@click.option("--namespace", required=True)
@click.option("--runs", type=click.Path(path_type=Path), required=True)
@click.option("--holder", required=True)
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=int, required=True)
@click.option("--errors", type=float, default=ERRORS)
def main(
    kubeconfig: Path, namespace: str, runs: Path, holder: str, host: str, port: int, errors: float
) -> None:
    logs.configure("info", service="canary")
    sys.exit(asyncio.run(drive(kubeconfig, namespace, runs, holder, host, port, errors)))


if __name__ == "__main__":
    main()
